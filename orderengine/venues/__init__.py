"""The venues: a class for each kind, and the board that asks them all at the same time."""
