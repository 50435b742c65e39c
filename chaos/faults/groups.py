"""Groups of orders: answers lost for all at once, and workers that claim against each other."""

import json
import re

from sqlalchemy import text

from chaos import acts
from chaos.acts import Act
from chaos.fault import Fault, Injection, Scale, repeatedly
from chaos.groups import BATCH, BURSTS, SEVERAL, expect_groups, wait_for_groups
from chaos.load import Load
from chaos.rig import Rig
from orderengine.domain.order import OrderStatus

UUID = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
MOVED_TO_ROUTING = ('"order_moved"', f'"status": "{OrderStatus.ROUTING}"')

_BATCHES = text("SELECT id::text AS id, created_at FROM orders")


def swallow_answers(rig: Rig, load: Load, scale: Scale) -> int:
    """Swallow answers to the writes of groups; one in ten at least must be for several orders.

    A claim counts as one for a single order, since it names only its own.
    """
    del load
    before = len(rig.to_postgres.unanswered)
    swallowed = acts.swallow_commits(scale.times, limit_s=180.0)(rig)
    sizes = [len(set(UUID.findall(each))) for each in rig.to_postgres.unanswered[before:]]
    several = sum(size >= SEVERAL for size in sizes)
    rig.figures["answers of several orders"] = several
    if several < swallowed // 10:
        rig.complaints.append(f"only {several} of {swallowed} answers were of several orders")
    expect_groups(rig)
    return swallowed


def kill_claimers(rig: Rig, load: Load, scale: Scale) -> int:
    """Kill one of the workers again and again while it has groups; returns how often."""
    kill: Act = _kill_in_a_burst
    injection: Injection = repeatedly(kill)
    kills = injection(rig, load, scale)
    shared, bursts = _bursts_shared(rig)
    rig.figures["bursts that both workers claimed"] = shared
    if not shared:
        rig.complaints.append(f"of {bursts} bursts none was claimed by both workers")
    expect_groups(rig)
    return kills


def _kill_in_a_burst(rig: Rig) -> int:
    wait_for_groups(rig)
    return acts.kill_worker(rig)


def _bursts_shared(rig: Rig) -> tuple[int, int]:
    """How many batches both workers claimed orders of, by their logs; and the number of batches."""
    with rig.database.connect() as connection:
        accepted = {row.id: row.created_at for row in connection.execute(_BATCHES)}
    claimed = [{accepted.get(each) for each in _claimed(rig, name)} for name in rig.workers]
    moments = list(accepted.values())
    batches = {each for each in set(moments) if moments.count(each) > BATCH / 2}
    return len(batches.intersection(*claimed)), len(batches)


def _claimed(rig: Rig, name: str) -> set[str]:
    return {
        json.loads(line)["order_id"]
        for line in rig.logs(name).splitlines()
        if all(words in line for words in MOVED_TO_ROUTING)
    }


FAULTS = (
    Fault(
        name="groups_commit_answers",
        what="the answer to a COMMIT swallowed for groups of up to ten orders",
        inject=swallow_answers,
        full=Scale(orders=2500, times=200),
        quick=Scale(orders=300, times=12),
        rate_per_s=40.0,
        batch=BATCH,
        settings=BURSTS,
    ),
    Fault(
        name="two_claimers",
        what="two workers claim the orders of one burst, one of them is killed",
        inject=kill_claimers,
        full=Scale(orders=4000, times=30, workers=2),
        quick=None,  # worker_kills has two workers, groups_commit_answers has groups
        rate_per_s=25.0,
        batch=BATCH,
        settings=BURSTS,
    ),
)
