"""The stores of the use cases on PostgreSQL: all SQL of the engine."""
