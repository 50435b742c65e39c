"""A worker dies with a group of orders in hand, and a web process with a batch: at each place."""

import time
from collections.abc import Mapping
from dataclasses import replace

from chaos.fault import Fault, Scale
from chaos.faults.fail_points import OF_THE_CHAIN, SLOTS, STRIKE_LIMIT_S, Kill, kill_web
from chaos.groups import BATCH, BURSTS, IN_HAND, SEVERAL, burst, groups_at, wait_for_groups
from chaos.load import Load
from chaos.rig import QUEUES, WEB, Rig
from harness.waiting import wait_until
from orderengine.domain.order import OrderStatus
from orderengine.faults.points import FailPoint

ARMED = SLOTS[0]
ENOUGH = 60
"""So many open orders keep a new worker in groups until it dies."""
LOOK_S = 2.0
DRAIN_LIMIT_S = 120.0
TRIES = 8
ALONE_FIRST = 10
"""A new worker takes so many orders alone, since it does not know yet how quick quotes are."""

# Passed once for each order, most of them.
PASSAGES = (ALONE_FIRST + 15, ALONE_FIRST + 50)
RARER: Mapping[FailPoint, tuple[int, int]] = {
    FailPoint.ACCEPT_BEFORE_COMMIT: (1, 1),
    FailPoint.ACCEPT_AFTER_COMMIT: (1, 1),
    FailPoint.ACCEPT_AFTER_DISPATCH: (1, 1),
    FailPoint.ROUTE_BEFORE_COMMIT: (ALONE_FIRST + 2, ALONE_FIRST + 5),
    FailPoint.CONFIRM_TAKEN: (2 * ALONE_FIRST + 2, 2 * ALONE_FIRST + 6),
    FailPoint.RETRY_BEFORE_COMMIT: (5, 9),
    FailPoint.RETRY_AFTER_COMMIT: (5, 9),
    FailPoint.RETRY_AFTER_DISPATCH: (5, 9),
    FailPoint.RECOVER_AFTER_CLAIM: (1, 1),
    FailPoint.RECOVER_AFTER_DISPATCH: (1, 1),
}

STOPPED_AT: Mapping[str, tuple[OrderStatus, ...]] = {
    "route": (OrderStatus.ROUTING,),
    "build": IN_HAND,
    "submit": (OrderStatus.BUILDING, OrderStatus.SUBMITTED),
    "confirm": (OrderStatus.SUBMITTED, OrderStatus.CONFIRMED),
    "retry": (OrderStatus.SUBMITTED,),
    "recover": (*IN_HAND, OrderStatus.SUBMITTED, OrderStatus.PENDING),
}
"""The last statuses of a group whose worker dies, by the stage of the place."""


def die_everywhere(rig: Rig, load: Load, scale: Scale) -> int:
    """Kill the only worker at each place in groups, and web with batches; returns the kills."""
    wanted = [
        Kill(point, rig.rng.randint(*RARER.get(point, PASSAGES)))
        for point in OF_THE_CHAIN
        for _ in range(scale.times)
    ]
    kills = rig.rng.sample(wanted, len(wanted))
    burst(rig, load)
    wait_for_groups(rig)
    rig.kill(rig.workers[0])  # its groups are the first that recovery finds
    deaths = [
        (kill, _kill_until_in_a_group(rig, load, kill))
        for kill in kills
        if not kill.point.is_in_web
    ]
    rig.restart(rig.workers[0])
    _tell(rig, deaths)
    in_web = sum(_kill_web(rig, load, kill) for kill in kills if kill.point.is_in_web)
    rig.restart(WEB)
    rig.wait_ready()
    rig.healed()
    return sum(len(sizes) for _, sizes in deaths) + in_web


def _kill_until_in_a_group(rig: Rig, load: Load, kill: Kill) -> list[int]:
    """Kill, later in a worker's life each time, until it has a group; returns the groups' sizes.

    A new worker takes orders alone while its first quotes are slow, and those of recovery always.
    """
    sizes: list[int] = []
    while len(sizes) < TRIES and max(sizes, default=0) < SEVERAL:
        later = replace(kill, passage=kill.passage + len(sizes) * (kill.passage // 2))
        sizes.append(_kill_worker(rig, load, later))
    return sizes


def _kill_worker(rig: Rig, load: Load, kill: Kill) -> int:
    """Run an armed worker until it dies; returns the size of the largest group that it stopped."""
    if kill.is_in_recovery:
        rig.redis.delete(*QUEUES)  # so that there is something to recover
    began_at = time.time()
    rig.launch(ARMED, FAIL_POINT=kill.setting)
    while True:
        if _open_orders(rig) < ENOUGH:
            burst(rig, load)
        if rig.wait_end(ARMED, LOOK_S) is not None:
            break
        if time.time() - began_at > STRIKE_LIMIT_S:
            rig.kill(ARMED)
            rig.complaints.append(f"no worker came to {kill.setting} in {STRIKE_LIMIT_S:.0f} s")
            return 0
    groups = groups_at(rig, *_left_behind(kill, began_at))
    return max((len(group.pairs) for group in groups), default=1)


def _left_behind(kill: Kill, began_at: float) -> tuple[tuple[OrderStatus, ...], float]:
    """The statuses of the groups that a death leaves behind, and the time of their last moves."""
    if kill.point is FailPoint.ROUTE_BEFORE_COMMIT:
        return (OrderStatus.PENDING,), 0.0  # accepted together, and still to be claimed
    return STOPPED_AT[kill.stage], 0.0 if kill.is_in_recovery else began_at


def _kill_web(rig: Rig, load: Load, kill: Kill) -> bool:
    # An armed web dies of each batch that is repeated: without an unarmed one the backlog grows.
    rig.restart(WEB)
    wait_until(lambda: _open_orders(rig) < ENOUGH, DRAIN_LIMIT_S, "a backlog is left")
    burst(rig, load)
    return kill_web(rig, kill)


def _open_orders(rig: Rig) -> int:
    return int(str(rig.scalar("SELECT count(*) FROM orders WHERE due_at IS NOT NULL")))


def _tell(rig: Rig, deaths: list[tuple[Kill, list[int]]]) -> None:
    """Note the deaths with a group in hand, and complain of a place that no group has come to."""
    found = [size for _, sizes in deaths for size in sizes]
    rig.figures |= {
        "deaths with groups in hand": sum(size >= SEVERAL for size in found),
        "largest group": max(found),
    }
    for kill, sizes in deaths:
        if max(sizes) < SEVERAL:
            rig.complaints.append(f"no worker died at {kill.setting} with a group in hand")


FAULTS = (
    Fault(
        name="groups_die",
        what=f"a process dies at each of {len(OF_THE_CHAIN)} places with groups or batches in hand",
        inject=die_everywhere,
        full=Scale(orders=500, times=1),
        quick=None,  # fail_points has the places, groups_commit_answers the groups
        rate_per_s=2.0,
        batch=BATCH,
        settings={**BURSTS, "SIM_CHAIN_ERROR_RATE": "0.2"},
    ),
)
