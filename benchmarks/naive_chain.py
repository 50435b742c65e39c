"""Baseline (b): the simplest Celery chain, as a first version would be written.

Each of four tasks opens an ORM session, commits and publishes. They write the same rows as the
engine's stages: the status, the history, the signed transaction, its entry in the network's ledger,
and the settlement. Celery's settings are the defaults; nothing survives a crash. In its favor, it
is fed without HTTP, and neither quotes nor prices anything.
"""

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import redis
from celery import Celery, chain
from sqlalchemy import JSON, DateTime, ForeignKey, MetaData, Numeric, create_engine, func
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

SCHEMA = "naive"
PAYLOAD_BYTES = 320  # about the size of the engine's signed bytes
LIMIT = Decimal(232_000_000)
POOL_SIZE = 10  # one per thread; a prefork child uses one

app = Celery("naive", broker=os.environ["NAIVE_BROKER_URL"])
engine = create_engine(os.environ["NAIVE_DATABASE_URL"], pool_size=POOL_SIZE)
client = redis.Redis.from_url(os.environ["NAIVE_REDIS_URL"])


class Base(DeclarativeBase):
    """The tables, separate from the engine's."""

    metadata = MetaData(schema=SCHEMA)


class Order(Base):
    """An order with its latest state."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric(38, 18))
    status: Mapped[str]
    dex: Mapped[str | None]
    quoted_price: Mapped[Decimal | None] = mapped_column(Numeric(38, 12))
    tx_hash: Mapped[str | None]
    executed_price: Mapped[Decimal | None] = mapped_column(Numeric(38, 12))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class OrderEvent(Base):
    """One step of an order."""

    __tablename__ = "order_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id), index=True)
    status: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Transaction(Base):
    """A signed transaction."""

    __tablename__ = "transactions"

    signature: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id), index=True)
    payload: Mapped[bytes]
    state: Mapped[str]


class LedgerEntry(Base):
    """The network's record of a transaction."""

    __tablename__ = "ledger"

    signature: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(index=True)
    limit_amount: Mapped[Decimal] = mapped_column(Numeric(20, 0))
    outcome: Mapped[str | None]
    quote_amount: Mapped[Decimal | None] = mapped_column(Numeric(20, 0))


class Settlement(Base):
    """An executed swap."""

    __tablename__ = "settlements"

    signature: Mapped[str] = mapped_column(ForeignKey(Transaction.signature), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id), unique=True)
    quote_amount: Mapped[Decimal] = mapped_column(Numeric(20, 0))


def place() -> str:
    """Store a new order, publish it and start its chain; returns its id."""
    order_id = uuid4()
    with Session(engine) as session:
        session.add(
            Order(
                id=order_id,
                symbol="AAPL",
                side="buy",
                quantity=Decimal(1),
                status="pending",
                updated_at=datetime.now(UTC),
            )
        )
        session.flush()
        session.add(OrderEvent(order_id=order_id, status="pending", data={}))
        session.commit()
    publish(str(order_id), "pending", {})
    chain(route.s(str(order_id)), build.s(), submit.s(), confirm.s()).delay()
    return str(order_id)


@app.task(name="naive.route")
def route(order_id: str) -> str:
    """Pending to routing."""
    return advance(order_id, "routing", {})


@app.task(name="naive.build")
def build(order_id: str) -> str:
    """Routing to building, with the venue."""
    return advance(order_id, "building", {"dex": "raydium", "quoted_price": "229.40"})


@app.task(name="naive.submit")
def submit(order_id: str) -> str:
    """Building to submitted, with the transaction, which is then sent to the network."""
    signature, order = uuid4().hex, UUID(order_id)
    signed = Transaction(
        signature=signature, order_id=order, payload=bytes(PAYLOAD_BYTES), state="live"
    )
    advance(order_id, "submitted", {"tx_hash": signature}, signed)
    with Session(engine) as session:
        session.add(LedgerEntry(signature=signature, order_id=order, limit_amount=LIMIT))
        session.commit()
    return order_id


@app.task(name="naive.confirm")
def confirm(order_id: str) -> str:
    """Submitted to confirmed, with the price and the settlement."""
    with Session(engine) as session:
        signature = session.get_one(Order, UUID(order_id)).tx_hash
        entry = session.get_one(LedgerEntry, signature)
        entry.outcome, entry.quote_amount = "executed", LIMIT
        session.get_one(Transaction, signature).state = "landed"
        session.commit()
    settled = Settlement(signature=signature, order_id=UUID(order_id), quote_amount=LIMIT)
    return advance(order_id, "confirmed", {"executed_price": "229.41"}, settled)


def advance(order_id: str, status: str, data: dict[str, str], *rows: Base) -> str:
    """Set the status, add the event and other rows, commit, publish."""
    with Session(engine) as session:
        order = session.get_one(Order, UUID(order_id))
        order.status = status
        order.updated_at = datetime.now(UTC)
        for name, value in data.items():
            setattr(order, name, value)
        session.add_all([OrderEvent(order_id=order.id, status=status, data=data), *rows])
        session.commit()
    publish(order_id, status, data)
    return order_id


def publish(order_id: str, status: str, data: dict[str, str]) -> None:
    """Publish a step."""
    event = {"orderId": order_id, "status": status, "data": data}
    client.publish("naive:events", json.dumps(event))
