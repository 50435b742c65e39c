"""Embedded servers and the supervisor behind `make run`; nothing in the engine imports this."""
