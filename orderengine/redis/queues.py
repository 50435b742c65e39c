"""The queues: Redis lists that hold the messages of the chain."""

SETTLE = "settle"
INTAKE = "intake"
