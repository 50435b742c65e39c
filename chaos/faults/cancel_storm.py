"""Orders of all types that clients cancel and amend, that expire, and whose processes die."""

import random
from collections import Counter

from benchmarks.client import QUANTITIES
from chaos import storm
from chaos.changes import cancel_all
from chaos.fault import Fault, Scale
from chaos.faults.fail_points import SLOTS, STRIKE_LIMIT_S, Kill
from chaos.faults.network import PATIENCE_S, SHORT_LIVED
from chaos.load import Load
from chaos.rig import WEB, Rig
from harness.waiting import wait_until
from orderengine.domain.order import OrderStatus
from orderengine.faults.points import STRUCK, FailPoint

PLACES = tuple(point for point in FailPoint if point.is_of_waiting)
ARMED = SLOTS[0]
PASSAGES = 4


def storm_of_cancels(rig: Rig, load: Load, scale: Scale) -> int:
    """Kill at `times` places, and then at random until all orders are offered."""
    dice = random.Random(rig.rng.random())
    kills = [
        Kill(point, rig.rng.randint(1, PASSAGES if point.is_in_web else 1))
        for point in places(rig.rng, scale.times)
    ]
    died = 0
    with storm.Storm(rig.port, load, dice, rig.changes) as clients:
        for kill in kills:
            died += _kill_web(rig, kill) if kill.point.is_in_web else _kill_worker(rig, kill)
            cancel_all(rig.port, rig.rng.choice(list(QUANTITIES)))
        while len(load.accepted) < scale.orders:
            rig.restart(rig.rng.choice(rig.workers))
            died += 1
            cancel_all(rig.port, rig.rng.choice(list(QUANTITIES)))
            rig.pause(1.0, 4.0)
        load.stop()
        rig.healed()
        clients.sweep()
    wait_until(lambda: not rig.has_open_orders(), PATIENCE_S, "orders are open")
    _tell(rig)
    return died


def places(rng: random.Random, count: int) -> list[FailPoint]:
    """So many places: all of them in turn, each time in another order."""
    rounds = -(-count // len(PLACES))
    return [each for _ in range(rounds) for each in rng.sample(PLACES, len(PLACES))][:count]


def _kill_web(rig: Rig, kill: Kill) -> bool:
    """Run an armed web until a process of it dies, and then one that lives.

    Cancels are so frequent that its next processes die as well before they answer anything.
    """
    before = rig.count_in_log(WEB, STRUCK)
    rig.kill(WEB)
    rig.launch(WEB, FAIL_POINT=kill.setting)
    wait_until(
        lambda: rig.count_in_log(WEB, STRUCK) > before,
        STRIKE_LIMIT_S,
        f"no web process came to {kill.setting}",
    )
    rig.restart(WEB)
    return True


def _kill_worker(rig: Rig, kill: Kill) -> bool:
    """Run an armed worker until it dies.

    The others are gone for what a watcher does, because they hold the symbols.
    """
    is_alone = kill.stage in {"trigger", "snipe"}
    for name in rig.workers if is_alone else ():
        rig.kill(name)
    rig.launch(ARMED, FAIL_POINT=kill.setting)
    has_died = rig.wait_end(ARMED, STRIKE_LIMIT_S) is not None
    if not has_died:
        rig.kill(ARMED)
        rig.complaints.append(f"no worker came to {kill.setting} in {STRIKE_LIMIT_S:.0f} s")
    for name in rig.workers if is_alone else ():
        rig.restart(name)
    return has_died


def _tell(rig: Rig) -> None:
    """Count what has become of the requests; complain of an answer that never came."""
    cancels = Counter(each.status for each in rig.changes if each.is_cancel)
    amended = Counter(each.status for each in rig.changes if not each.is_cancel)
    found = {
        "canceled": cancels[200],
        "requested": cancels[202],
        "too late": cancels[409],
        "amended": amended[200],
        "too late to amend": amended[409] + amended[412],
        **{name: int(str(rig.scalar(query))) for name, query in _COUNTS.items()},
    }
    rig.figures |= found
    for name, count in found.items():
        if not count and name != MUST_NOT_BE:
            rig.complaints.append(f"nothing was {name}")


MUST_NOT_BE = "canceled or expired and executed"
_COUNTS = {
    "requested and then canceled": """
        SELECT count(*) FROM orders o WHERE status = 'canceled' AND EXISTS
        (SELECT FROM order_events WHERE order_id = o.id AND data ? 'cancelRequested')""",
    "requested and then confirmed": """
        SELECT count(*) FROM orders
        WHERE status = 'confirmed' AND cancel_requested_at IS NOT NULL""",
    "triggered": "SELECT count(*) FROM order_events WHERE data ->> 'cause' = 'triggered'",
    "rested": """
        SELECT count(*) FROM order_events
        WHERE status = 'waiting' AND seq > 1 AND data ? 'reason'""",
    "expired": f"SELECT count(*) FROM orders WHERE status = '{OrderStatus.EXPIRED}'",  # noqa: S608 - a name of our own
    # The network may execute what nobody looked at: then it has no outcome yet.
    MUST_NOT_BE: """
        SELECT count(*) FROM orders o JOIN sim_transactions s ON s.order_id = o.id
        WHERE (o.status = 'canceled' OR o.status = 'expired') AND (s.outcome = 'executed'
              OR s.outcome IS NULL AND s.lands_at <= clock_timestamp())""",
}

FAULTS = (
    Fault(
        name="cancel_storm",
        what=f"orders of all types canceled, amended, expiring; processes die at {len(PLACES)}"
        " places of theirs, and workers at random",
        inject=storm_of_cancels,
        full=Scale(orders=10_000, times=3 * len(PLACES)),
        quick=Scale(orders=400, times=5),
        rate_per_s=20.0,
        offers=storm.offers(),
        recovery_limit_s=PATIENCE_S,
        settings={
            **SHORT_LIVED,
            **storm.SETTINGS,
            "SIM_CHAIN_ERROR_RATE": "0.15",
            "SIM_SEND_LOSS_RATE": "0.1",
        },
    ),
)
