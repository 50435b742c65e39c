"""Reads and steers the simulated network from outside of the engine."""

from collections import Counter

from sqlalchemy import Engine, text

_EXECUTIONS = text(
    """
SELECT order_id::text FROM sim_transactions
WHERE outcome = 'executed' OR (outcome IS NULL AND lands_at <= clock_timestamp())"""
)
_SWITCH = text("UPDATE sim_switch SET network_up = :up")


def executions(database: Engine) -> Counter[str]:
    """How often each order was executed."""
    with database.connect() as connection:
        return Counter(connection.execute(_EXECUTIONS).scalars())


def switch_network(database: Engine, *, up: bool) -> None:
    with database.connect() as connection:
        connection.execute(_SWITCH, {"up": up})


def open_orders(database: Engine) -> Counter[str]:
    """The number of open orders by status."""
    with database.connect() as connection:
        statement = text("SELECT status FROM orders WHERE due_at IS NOT NULL")
        return Counter(connection.execute(statement).scalars())
