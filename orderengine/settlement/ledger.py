"""The simulated network's memory: all its SQL, each statement a transaction of its own.

A statement that answers a question reads the switch and the time itself, and the time only once, so
that a session which sleeps in between cannot decide by two different moments.
"""

# ruff: noqa: S608 - statements are composed of constants of this file

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from orderengine.domain.documents import fill_leg_document, fill_leg_from
from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.json_text import json_text
from orderengine.domain.side import Asset, Side
from orderengine.execution.network import Execution, NotFound, Reverted, Swap
from orderengine.postgres.arrays import BY_KEY, array, array_parameter, columns_of, unnest
from orderengine.postgres.database import Row, Statement, outages_as, run
from orderengine.settlement.wire import SignedSwap, exact_in, legs_document, legs_from

_CLOCK = """
WITH clock AS MATERIALIZED (
    SELECT moment, NOT EXISTS (SELECT FROM sim_switch WHERE NOT network_up) AS network_up
    FROM clock_timestamp() AS moment
)"""

_SWAP_TYPES: Mapping[str, str] = {
    "signature": "text",
    "order_id": "uuid",
    "attempt": "integer",
    "legs": "jsonb",
    "symbol": "text",
    "side": "text",
    "base_amount": "numeric",
    "limit_amount": "numeric",
    "last_valid_height": "bigint",
}
_SWAP_COLUMNS = ", ".join(_SWAP_TYPES)
_SWAP_VALUES = """:signature, :order_id, :attempt, CAST(:legs AS jsonb), :symbol, :side,
        :base_amount, :limit_amount, :last_valid_height"""
_OUTCOME_TYPES: Mapping[str, str] = {
    "outcome": "text",
    "base_amount": "numeric",
    "quote_amount": "numeric",
    "fee": "numeric",
    "market_impact_bps": "numeric",
    "legs": "jsonb",
    "slippage_exceeded": "boolean",
    "error": "text",
}


def _height(moment: str) -> str:
    return f"CAST(floor(extract(epoch FROM {moment}) * 1000 / :block_ms) AS bigint)"


_HEIGHT = Statement(f"{_CLOCK} SELECT network_up, {_height('moment')} AS height FROM clock")

_STORE = Statement(
    f"""{_CLOCK}, landing AS (
    SELECT m.*, moment, moment + m.delay_ms * interval '1 millisecond' AS lands_at
    FROM clock, {unnest({**_SWAP_TYPES, "delay_ms": "integer"}, "m")}
    WHERE network_up
), stored AS (
    INSERT INTO sim_transactions ({_SWAP_COLUMNS}, received_at, lands_at)
    SELECT {_SWAP_COLUMNS}, moment, lands_at FROM landing
    WHERE {_height("lands_at")} <= last_valid_height
    ON CONFLICT (signature) DO NOTHING
)
SELECT network_up FROM clock""",
    BY_KEY,
)

_FIND = Statement(
    f"""{_CLOCK}
SELECT clock.network_up, t.*, t.lands_at <= clock.moment AS landed
FROM clock LEFT JOIN sim_transactions t ON t.signature = ANY(CAST(:signatures AS text[]))""",
    BY_KEY,
)

# The unique key makes it a proof. A concurrent send that has inserted, but not committed, blocks
# this insert until it ends. A send that has yet to insert finds the tombstone and does nothing.
_PROVE_EXPIRY = Statement(
    f"""{_CLOCK}, proof AS (
    INSERT INTO sim_transactions ({_SWAP_COLUMNS}, received_at, outcome)
    SELECT {_SWAP_VALUES}, moment, 'expired' FROM clock
    WHERE network_up AND {_height("moment")} > :last_valid_height
    ON CONFLICT (signature) DO NOTHING
    RETURNING signature
)
SELECT network_up, EXISTS (SELECT FROM proof) AS proved FROM clock"""
)

# Concurrent looks lock the rows in the same order, that of the index, and so never deadlock.
_SETTLE = Statement(
    f"""
WITH landed AS MATERIALIZED (
    SELECT signature FROM sim_transactions
    WHERE signature = ANY({array_parameter("signature", "text")}) AND outcome IS NULL
    ORDER BY signature FOR NO KEY UPDATE
)
UPDATE sim_transactions t
SET outcome = m.outcome, executed_base_amount = m.base_amount,
    executed_quote_amount = m.quote_amount, fee = m.fee,
    market_impact_bps = m.market_impact_bps, executed_legs = m.legs,
    slippage_exceeded = m.slippage_exceeded, error = m.error
FROM {unnest({"signature": "text", **_OUTCOME_TYPES}, "m")}
WHERE t.signature = ANY(ARRAY(SELECT signature FROM landed)) AND t.signature = m.signature
RETURNING t.signature""",
    BY_KEY,
)

_SWITCH = Statement(
    """
INSERT INTO sim_switch (id, network_up) VALUES (1, :up)
ON CONFLICT (id) DO UPDATE SET network_up = excluded.network_up
RETURNING network_up"""
)


@dataclass(frozen=True, slots=True)
class Entry:
    """The ledger's record of one signature.

    `landed_at` is None before the landing, and forever if the transaction expired; `outcome` is
    None until the swap is settled, and NotFound if it expired.
    """

    signed: SignedSwap
    landed_at: datetime | None
    outcome: Execution | Reverted | NotFound | None


_FORGET = Statement(
    """
WITH gone AS (
    DELETE FROM sim_transactions WHERE order_id = ANY(CAST(CAST(:order_ids AS text[]) AS uuid[]))
    RETURNING 1
)
SELECT count(*) AS total FROM gone"""
)


class Ledger:
    """The simulated network's memory; every method raises NetworkUnavailable without an answer."""

    def __init__(self, engine: Engine, block_ms: int) -> None:
        self._engine = engine
        self._block_ms = block_ms

    def height(self) -> int:
        """The block height by the database's clock."""
        height: int = self._ask(_HEIGHT, {}).height
        return height

    def store(self, delays_ms: Mapping[SignedSwap, int]) -> None:
        """Record each transaction once, to land after its delay; drop those that would be too late.

        They are stored in the order of their signatures: two sessions that store the same ones in
        different orders would wait for each other.
        """
        ordered = sorted(delays_ms, key=lambda signed: signed.signature)
        values = columns_of([_swap_values(signed) for signed in ordered])
        self._ask(_STORE, {**values, "delay_ms": array([delays_ms[each] for each in ordered])})

    def find(self, signatures: Collection[str]) -> dict[str, Entry]:
        """The current records of the known ones among these signatures."""
        rows = self._ask_all(_FIND, {"signatures": list(signatures)})
        return {row.signature: _entry(row) for row in rows if row.signature is not None}

    def settle(self, outcomes: Mapping[str, Execution | Reverted]) -> set[str]:
        """Store the outcomes of landed swaps; returns the signatures that had none before."""
        rows = [
            {"signature": signature, **_outcome_values(outcome)}
            for signature, outcome in outcomes.items()
        ]
        return {row.signature for row in self._run(_SETTLE, columns_of(rows))}

    def prove_expiry(self, signed: SignedSwap) -> bool:
        """Take the place of a transaction that never arrived; True if it can never land now.

        False if its last valid height is not past, or if it arrived meanwhile.
        """
        return bool(self._ask(_PROVE_EXPIRY, _swap_values(signed)).proved)

    def forget(self, order_ids: Collection[UUID]) -> int:
        """Delete the records of these orders, none of which may still land; returns how many."""
        rows = self._run(_FORGET, {"order_ids": [str(each) for each in order_ids]})
        return int(rows[0].total)

    def switch(self, *, up: bool) -> None:
        """Turn the network on or off for every process."""
        self._run(_SWITCH, {"up": up})

    def _ask(self, statement: Statement, values: Mapping[str, Any]) -> Row:
        return self._ask_all(statement, values)[0]

    def _ask_all(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """At least one row."""
        rows = self._run(statement, {**values, "block_ms": self._block_ms})
        if not rows[0].network_up:
            raise NetworkUnavailable("the network gives no answer")
        return rows

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        with outages_as(NetworkUnavailable, "the network gives no answer"):
            return run(self._engine, statement, values)


def _swap_values(signed: SignedSwap) -> dict[str, Any]:
    swap = signed.swap
    return {
        "signature": signed.signature,
        "order_id": swap.order_id,
        "attempt": swap.attempt,
        "legs": json_text(legs_document(swap.legs, swap.exact)),
        "symbol": swap.symbol,
        "side": swap.side.value,
        "base_amount": swap.amount if swap.exact is Asset.BASE else None,
        "limit_amount": swap.limit_amount,
        "last_valid_height": signed.last_valid_height,
    }


def _outcome_values(outcome: Execution | Reverted) -> dict[str, Any]:
    executed = outcome if isinstance(outcome, Execution) else None
    reverted = outcome if isinstance(outcome, Reverted) else None
    return {
        "outcome": "executed" if executed else "reverted",
        "base_amount": executed and executed.base_amount,
        "quote_amount": executed and executed.quote_amount,
        "fee": executed and executed.fee,
        "market_impact_bps": executed and executed.market_impact_bps,
        "legs": executed and json_text([fill_leg_document(leg) for leg in executed.legs]),
        "slippage_exceeded": reverted and reverted.slippage_exceeded,
        "error": reverted and reverted.detail,
    }


def _entry(row: Row) -> Entry:
    swap = Swap(
        order_id=row.order_id,
        attempt=row.attempt,
        symbol=row.symbol,
        side=Side(row.side),
        legs=legs_from(row.legs),
        limit_amount=int(row.limit_amount),
        exact=exact_in(row.legs),
    )
    return Entry(
        signed=SignedSwap(row.signature, swap, row.last_valid_height),
        landed_at=row.lands_at.astimezone(UTC) if row.landed else None,
        outcome=_outcome(row),
    )


def _outcome(row: Row) -> Execution | Reverted | NotFound | None:
    match row.outcome:
        case None:
            return None
        case "expired":
            return NotFound()
        case "reverted":
            return Reverted(row.slippage_exceeded, row.error)
        case _:
            return Execution(
                legs=tuple(fill_leg_from(leg) for leg in row.executed_legs),
                landed_at=row.lands_at.astimezone(UTC),
            )
