"""Orders that wait for their condition, and the ends that come from outside of the chain."""
