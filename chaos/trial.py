"""One fault from beginning to end: start, load, inject, heal, wait, check."""

import contextlib
import json
import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.stack import Servers
from chaos import evidence as outside
from chaos import invariants, resources
from chaos.ends import END_LIMIT_S, wait_for_ends
from chaos.evidence import Evidence
from chaos.fault import LOCALNET, Fault, Scale
from chaos.invariants import GETS_THROUGH, Violation
from chaos.load import Answer, Load, place
from chaos.localnet import Localnet, running
from chaos.rig import Rig
from chaos.watch import OrderWatcher, cut_without_a_word
from harness.statements import unbounded
from harness.waiting import wait_until
from orderengine.domain.order import OrderStatus

REST_LIMIT_S = 40.0
WARM_UP = 60
WARM_UP_RATE_PER_S = 100.0
SHOWN = 50


@dataclass
class Verdict:
    """The result of one fault; `recovery_s` is from the last healing to the last order's end."""

    name: str
    seed: int
    scale: Scale
    orders: int = 0
    confirmed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    sockets: int = 0
    injected: int = 0
    recovery_s: float = 0.0
    seconds: float = 0.0
    figures: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    folder: str | None = None

    def document(self) -> dict[str, Any]:
        """The JSON form, with the counts that the table shows."""
        found = self.violations
        return {
            **asdict(self),
            "violations": [asdict(each) for each in found[:SHOWN]],
            "violations_in_all": len(found),
            "broken": sorted({each.invariant for each in found}),
            "lost": invariants.count(found, invariants.LOST),
            "executed_twice": invariants.count(found, invariants.EXECUTED_TWICE),
            "gaps": invariants.count(found, invariants.GAPS),
        }


def run(fault: Fault, scale: Scale, seed: int) -> Verdict:
    """Run a fault on servers of its own; keeps the folder of a failed run."""
    started = time.monotonic()
    verdict = Verdict(fault.name, seed, scale)
    folder = Path(tempfile.mkdtemp(prefix=f"orderengine-chaos-{fault.name}-"))
    folder.chmod(0o711)  # PostgreSQL's own user has to pass
    try:
        # Only the engine has to give up on slow statements, not the suite.
        with unbounded(), Servers(folder) as servers:
            rng = random.Random(f"{seed}:{fault.name}")
            with (
                _localnet(fault, folder) as node,
                Rig(
                    *(servers, rng, fault.environ, scale.workers),
                    direct=fault.runs_alone,
                    localnet=node,
                ) as rig,
            ):
                _run(fault, scale, rig, verdict, node)
    except Exception as error:  # noqa: BLE001 - every error belongs in the verdict
        detail = f"{type(error).__name__}: {error}"
        verdict.violations.append(Violation(GETS_THROUGH, None, detail))
        (folder / "error.txt").write_text(_told(error), "utf-8")
    verdict.seconds = time.monotonic() - started
    if verdict.violations:
        verdict.folder = str(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return verdict


@contextlib.contextmanager
def _localnet(fault: Fault, folder: Path) -> Iterator[Localnet | None]:
    """The node that a fault's orders settle on, if they do not settle on the simulation."""
    if fault.network != LOCALNET:
        yield None
        return
    with running(folder / "localnet") as node:
        yield node


def _run(fault: Fault, scale: Scale, rig: Rig, verdict: Verdict, node: Localnet | None) -> None:
    warmed_up = _warm_up(rig)
    before = resources.measure(rig)
    dice = [random.Random(rig.rng.random()) for _ in range(2)]
    with (
        OrderWatcher(rig.port, dice[0]) as watch,
        _load(fault, scale, rig, dice[1], watch) as load,
    ):
        verdict.injected = fault.inject(rig, load, scale)
        load.stop()
        wait_for_ends(rig)
        watch.finish(REST_LIMIT_S)
    answers = [*warmed_up, *load.answers]
    found = outside.collect(rig.database, rig.port, answers, watch.watched, rig.outages)
    found = replace(
        found,
        executions=found.executions if node is None else node.executions(found.orders),
        changes=rig.changes,
        queues=rig.queue_samples,
        backlogs=rig.backlogs,
        ends=rig.ended_by_themselves(),
        deadlocks=rig.deadlocks(),
    )
    verdict.orders = len(found.orders)
    verdict.confirmed = sum(each.status == OrderStatus.CONFIRMED for each in found.orders.values())
    reasons = (order.failure_reason for order in found.orders.values() if order.failure_reason)
    verdict.reasons = dict(Counter(reasons))
    verdict.figures = rig.figures
    verdict.sockets = len(found.watched)
    verdict.recovery_s = recovery_s(found, rig.healed_at)
    verdict.violations += [
        *invariants.violations(found),
        *_demanded(fault, scale, found, rig.healed_at),
        *_unseen(verdict),
        *(Violation("acts_go_well", None, each) for each in rig.complaints),
        *(Violation("resources_are_given_back", None, each) for each in _excess(rig, before)),
    ]
    _keep(rig, verdict)


def _load(fault: Fault, scale: Scale, rig: Rig, rng: random.Random, watch: OrderWatcher) -> Load:
    return Load(
        port=rig.port,
        rate_per_s=fault.rate_per_s,
        at_least=scale.orders,
        rng=rng,
        on_accepted=watch.offer,
        batch=fault.batch,
        offers=fault.offers,
    )


def _demanded(
    fault: Fault, scale: Scale, found: Evidence, healed_at: list[float]
) -> Iterator[Violation]:
    """The fault's own conditions besides the invariants."""
    last_s = recovery_s(found, healed_at[-1:])
    if last_s > fault.recovery_limit_s * scale.patience:
        detail = f"the last order ended {last_s:.1f} s after everything was back"
        yield Violation("recovers_in_time", None, detail)
    for watched in found.watched if fault.tells_sockets else ():
        if cut_without_a_word(watched):
            detail = f"its socket was closed with {watched.closed_with}"
            yield Violation("sockets_are_told_of_restarts", watched.order_id, detail)


def _unseen(verdict: Verdict) -> Iterator[Violation]:
    """A run without any effect must not pass."""
    seen = {
        "orders": verdict.orders - WARM_UP,
        "confirmed": verdict.confirmed,
        "sockets": verdict.sockets,
        "injected": verdict.injected,
    }
    for name, count in seen.items():
        if count < (verdict.scale.orders if name == "orders" else 1):
            yield Violation("the_suite_sees_enough", None, f"{name}: {count}")


def recovery_s(found: Evidence, healed_at: list[float]) -> float:
    """The longest time from a healing to the end of the last order that was open then.

    It includes faults that follow within that time.
    """
    return max(
        (
            order.ended_at - moment
            for moment in healed_at
            for order in found.orders.values()
            if order.ended_at is not None and order.created_at <= moment < order.ended_at
        ),
        default=0.0,
    )


def _warm_up(rig: Rig) -> list[Answer]:
    """Fill the pools, so that resources before and after can be compared."""
    answers = place(rig.port, WARM_UP, WARM_UP_RATE_PER_S)
    wait_until(lambda: not rig.has_open_orders(), END_LIMIT_S, "orders of the warm-up are open")
    return answers


def _excess(rig: Rig, before: resources.Resources) -> list[str]:
    """Resources still in use after some time without requests."""
    left: list[str] = []

    def is_given_back() -> bool:
        left[:] = resources.excess(before, resources.measure(rig))
        return not left

    with contextlib.suppress(TimeoutError):
        wait_until(is_given_back, REST_LIMIT_S, "resources are in use")
    return left


def _keep(rig: Rig, verdict: Verdict) -> None:
    """Write all data of the wrong orders next to the logs."""
    order_ids = sorted({each.order_id for each in verdict.violations if each.order_id})
    if verdict.violations:
        shutil.copy(rig.servers.postgres.data_dir / "server.log", rig.folder / "postgres.log")
        rows = outside.dump(rig.database, order_ids[:SHOWN])
        (rig.folder / "orders.json").write_text(json.dumps(rows, indent=1), "utf-8")


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + "\n".join(getattr(error, "__notes__", ()))
