"""The command line, for clients and for operators."""
