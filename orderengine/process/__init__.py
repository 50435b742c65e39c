"""What every process sets up: the interpreter, its memory, its log."""
