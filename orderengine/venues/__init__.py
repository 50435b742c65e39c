"""The venues: one file each, and the board that asks them all at the same time."""
