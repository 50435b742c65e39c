"""Another Redis server becomes the primary behind the address, planned or not."""

import time

from chaos.fault import Fault, Scale
from chaos.invariants import REDIS
from chaos.load import Load
from chaos.redis_pair import RedisPair
from chaos.rig import Rig
from harness.waiting import wait_until

WORKS_AGAIN_S = 10.0


def fail_over(rig: Rig, load: Load, scale: Scale) -> int:
    """Fail over, half of the times planned, spread over the load; end on the first server."""
    kinds = [True, False] * scale.times
    rig.rng.shuffle(kinds)
    started, share_s = time.monotonic(), load.lasts_s / len(kinds)
    with RedisPair(rig.servers.redis, rig.folder / "redis-2") as pair:
        rig.to_redis.lead(lambda: pair.port)
        for number, is_planned in enumerate(kinds):
            at = started + share_s * (number + rig.rng.uniform(0.2, 0.8))
            rig.pause(max(at - time.monotonic(), 0.0))
            _fail_over_once(rig, pair, is_planned=is_planned)
        rig.to_redis.lead(lambda: rig.servers.redis.port)
    return len(kinds)


def _fail_over_once(rig: Rig, pair: RedisPair, *, is_planned: bool) -> None:
    with rig.outage(REDIS):
        if is_planned:
            pair.demote()
        else:
            pair.lose()
        rig.pause(0.1, 1.0)  # until the address has moved
        pair.move_address()
    _check_that_orders_move(rig, "planned" if is_planned else "unplanned")
    pair.restore_replica()


def _check_that_orders_move(rig: Rig, kind: str) -> None:
    """Check that nothing is missing and that an order placed after the healing ends in time."""
    healed_at = rig.healed_at[-1]
    try:
        rig.wait_ready(WORKS_AGAIN_S)
        wait_until(
            lambda: bool(rig.ended_since(healed_at)),
            max(healed_at + WORKS_AGAIN_S - time.time(), 0.0),
            "no new order has ended",
        )
    except TimeoutError as error:
        rig.complaints.append(f"{WORKS_AGAIN_S:.0f} s after a {kind} fail-over: {error}")


FAULTS = (
    Fault(
        name="redis_failover",
        what="another primary behind the address: planned, the old one goes on as a replica; or"
        " the old one killed",
        inject=fail_over,
        full=Scale(orders=2000, times=10),
        quick=Scale(orders=120, times=1),
    ),
)
