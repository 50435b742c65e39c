"""The four stages of an order, what they hand over, and recovery."""
