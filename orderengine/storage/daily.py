"""The limit per client and day on PostgreSQL: what orders take of a day, and give back.

A charge is part of the statement that stores or starts its order. If it exceeds the limit, it
breaks a constraint, so that the statement has no effect at all. Charges of one client wait for each
other's row, and see what the one before has left.

Statements lock days in the order of their keys, after the orders.
"""

# ruff: noqa: S608 - statements are composed of constants

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from psycopg2.errors import CheckViolation
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import DailyLimitReached
from orderengine.domain.order import OrderStatus
from orderengine.postgres.database import BY_INDEX, Statement
from orderengine.storage.daily_tables import WITHIN, daily_notionals
from orderengine.storage.reader import ask

KEPT_DAYS = 7
"""How long days are kept; a limit needs the present one alone."""

TODAY = "CAST(now() AT TIME ZONE 'UTC' AS date)"
_KEEPS_NO_CHARGE = ", ".join(
    f"'{status}'"
    for status in (
        OrderStatus.FAILED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.WAITING,
    )
)


def charges(source: str) -> str:
    """The part of a statement that charges orders to their clients' days.

    `source` selects the rows to charge: `order_id`, `client_id`, `charged` and the limit `most`. An
    order that is charged already, since the release before let it rest, stays as it is.
    """
    return f""", charges AS ({source}
), charged AS (
    INSERT INTO daily_charges (order_id, client_id, day, charged)
    SELECT order_id, client_id, {TODAY}, charged FROM charges
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id, client_id, day, charged
), days AS (
    INSERT INTO daily_notionals AS d (day, client_id, charged, most)
    SELECT charged.day, charged.client_id, sum(charged.charged), max(charges.most)
    FROM charged JOIN charges ON charges.order_id = charged.order_id
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (day, client_id)
    DO UPDATE SET charged = d.charged + excluded.charged, most = excluded.most
)"""


# The upsert finds each day by its key, and in the order of the keys; days are never missing, unless
# the order was open for longer than days are kept.
GIVE_BACK = f""", taken_back AS (
    DELETE FROM daily_charges
    WHERE order_id = ANY(ARRAY(SELECT id FROM o WHERE status IN ({_KEEPS_NO_CHARGE})))
    RETURNING client_id, day, charged
), given_back AS (
    INSERT INTO daily_notionals AS d (day, client_id, charged, most)
    SELECT day, client_id, sum(charged), sum(charged) FROM taken_back GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (day, client_id)
    DO UPDATE SET charged = greatest(d.charged - excluded.charged, 0)
)"""

CHARGE_COLUMNS = {"charge": "numeric", "most": "numeric"}
CHARGE_KEPT = ", m.charge, m.most"
CHARGE_STARTED = charges("""
    SELECT id AS order_id, client_id, charge AS charged, most FROM o WHERE charge IS NOT NULL""")
"""Charges the orders of a move that has these parameters, and keeps them beside its rows."""

_CHARGED = Statement(
    f"""
SELECT client_id, charged FROM daily_notionals
WHERE day = {TODAY} AND client_id = ANY(CAST(:clients AS text[]))""",
    BY_INDEX,
)

_FORGET = Statement(
    f"""
WITH old AS (
    DELETE FROM daily_charges WHERE order_id = ANY(ARRAY(
        SELECT order_id FROM daily_charges WHERE day < {TODAY} - {KEPT_DAYS}
        ORDER BY day LIMIT :limit
    )) RETURNING order_id
), days AS (
    DELETE FROM daily_notionals WHERE day < {TODAY} - {KEPT_DAYS}
)
SELECT count(*) AS total FROM old""",
    BY_INDEX,
)


def charge_values(daily: DailyCharge | None) -> dict[str, Any]:
    """The parameters of a charge; None where there is none."""
    if daily is None:
        return {"charge": None, "most": None}
    return {"charge": daily.usdc, "most": daily.most}


_CONSTRAINT = f"ck_{daily_notionals.name}_{WITHIN}"


@contextmanager
def limits_told() -> Iterator[None]:
    """Turn a charge beyond the limit into DailyLimitReached."""
    try:
        yield
    except IntegrityError as error:
        broken = error.orig
        if isinstance(broken, CheckViolation) and broken.diag.constraint_name == _CONSTRAINT:
            message = "other orders of this client have just taken the rest of this day (UTC)"
            raise DailyLimitReached(message) from error
        raise


class SqlDays:
    """Implements `execution.intake.daily.Days`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def charged(self, client_ids: Sequence[str]) -> Mapping[str, Decimal]:
        """The USDC that orders of these clients have taken today; without those of none."""
        rows = ask(self._engine, _CHARGED, {"clients": list(client_ids)})
        return {row.client_id: row.charged for row in rows}

    def forget(self, limit: int) -> int:
        """Delete days that are over for long, and up to `limit` charges of them; returns these."""
        (row,) = ask(self._engine, _FORGET, {"limit": limit})
        return int(row.total)
