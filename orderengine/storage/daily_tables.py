"""The tables of the limit per client and day; see `tables.py`."""

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Index, Numeric, Table, Text, Uuid

from orderengine.storage.tables import metadata

Charge = Numeric(38, 6)

WITHIN = "within"
"""The constraint that a charge beyond the limit breaks."""

# What the orders of a client have taken of a day, and the limit at the time of the latest charge.
daily_notionals = Table(
    "daily_notionals",
    metadata,
    Column("day", Date, primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("charged", Charge, nullable=False),
    Column("most", Charge, nullable=False),
    CheckConstraint("charged >= 0 AND charged <= most", name=WITHIN),
)

# What each order has taken, and of which day; without its row an order has taken nothing.
daily_charges = Table(
    "daily_charges",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("charged", Charge, nullable=False),
    Index("ix_daily_charges_day", "day"),
)
