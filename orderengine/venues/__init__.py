"""The places to trade: one file a venue, and the board that asks them all at the same time."""
