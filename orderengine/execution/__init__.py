"""The use cases, on ports only."""
