"""Connections to Redis or Valkey, its queues' names, checks, and what its errors mean."""
