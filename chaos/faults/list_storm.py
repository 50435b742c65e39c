"""Many clients read lists of very many orders while others place orders."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from benchmarks.client import ACCEPTED
from benchmarks.figures import percentile
from chaos.fault import Fault, Scale
from chaos.load import Answer, Load
from chaos.readers import read_lists
from chaos.rig import Rig
from orderengine.domain.order import OrderStatus

READERS = 50
SLICES = 5
"""Slices of each kind, alternating, because the machine's own load varies."""
MOST_TIMES = 2.0
LEAST_S = 0.05
"""Below this, twice the time without readers still counts as fast."""
BUILT_BY = "list_storm"
BATCH = 50_000
FAILED_ATTEMPTS = '[{"attempt": 1, "reason": "NO_QUOTE", "detail": "none"}]'

_BUILD = text(
    f"""
INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps, request_id,
                    status, version, attempt, created_at, updated_at, failed_attempts)
SELECT gen_random_uuid(), 'local', (ARRAY['AAPL', 'BONK', 'SOL'])[1 + n % 3], 'buy', 1, 100,
       :built_by, CASE WHEN n % 100000 = 7 THEN '{OrderStatus.FAILED}'
            ELSE '{OrderStatus.CONFIRMED}' END, 1, 1,
       now() - n * interval '1 s', now() - n * interval '1 s', CAST(:failed_attempts AS jsonb)
FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n"""  # noqa: S608 - composed of constants
)


def storm(rig: Rig, load: Load, scale: Scale) -> int:
    """Alternate slices without and with readers, over many stored orders; returns the lists read.

    The stored orders have no events, and are deleted before the evidence is collected.
    """
    answers: Counter[int] = Counter()
    slices: dict[bool, list[list[Answer]]] = {False: [], True: []}
    with _many_orders(rig, scale.times):
        share_s = load.lasts_s / (2 * SLICES)
        for _ in range(SLICES):
            slices[False].append(_slice(rig, load, share_s))
            with read_lists(rig.port, READERS) as answered:
                slices[True].append(_slice(rig, load, share_s))
            answers += answered()
    rig.healed()
    rig.complaints += [*_refused(slices[True]), *_slowed(rig, slices, answers)]
    return answers[200]


def _slice(rig: Rig, load: Load, lasts_s: float) -> list[Answer]:
    began_at = time.monotonic()
    rig.pause(lasts_s)
    return [each for each in list(load.answers) if each.asked_at >= began_at]


def _refused(slices: list[list[Answer]]) -> Iterator[str]:
    found = Counter(each.status for answers in slices for each in answers)
    if set(found) != {ACCEPTED}:
        yield f"beside readers orders were answered with {dict(found)}"


def _slowed(
    rig: Rig, slices: dict[bool, list[list[Answer]]], answers: Counter[int]
) -> Iterator[str]:
    alone_s, beside_s = (_p99_s(slices[is_storm]) for is_storm in (False, True))
    rig.figures |= {
        "POST p99 ms alone": round(alone_s * 1000),
        "POST p99 ms beside readers": round(beside_s * 1000),
        "lists read": answers[200],
        "lists refused": answers[503],
    }
    if beside_s > max(MOST_TIMES * alone_s, LEAST_S):
        yield f"POST took {beside_s:.3f} s at p99 beside readers, and {alone_s:.3f} s without"
    if other := {status: count for status, count in answers.items() if status not in (200, 503)}:
        yield f"lists were answered with {other}"


def _p99_s(slices: list[list[Answer]]) -> float:
    """The median of the slices."""
    return statistics.median(
        percentile([each.latency_s for each in answers], 99) for answers in slices if answers
    )


@contextmanager
def _many_orders(rig: Rig, count: int) -> Iterator[None]:
    """Store ended orders, for the client whose orders are placed and listed."""
    values = {"built_by": BUILT_BY, "failed_attempts": FAILED_ATTEMPTS}
    for first in range(1, count, BATCH):
        last = min(first + BATCH - 1, count)
        _run(rig, _BUILD, first=first, last=last, **values)
    yield
    # No row refers to these orders; checking the foreign keys would take longer than the rest.
    clear = "SET LOCAL session_replication_role = replica; DELETE FROM orders WHERE request_id = "
    _run(rig, text(f"{clear}'{BUILT_BY}'"))


def _run(rig: Rig, statement: object, **values: object) -> None:
    with rig.database.connect() as connection:
        connection.execute(statement, values)  # type: ignore[call-overload]


FAULTS = (
    Fault(
        name="list_storm",
        what=f"{READERS} clients read lists of 1,000,000 orders, half of the time",
        inject=storm,
        full=Scale(orders=2000, times=1_000_000),
        quick=None,  # on a busy machine the comparison of two figures means nothing
        runs_alone=True,
    ),
)
