"""Events through Redis to the clients, and the engine's other uses of Redis."""
