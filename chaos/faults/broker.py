"""The broker: a Redis that refuses commands, and malformed messages."""

from uuid import uuid4

from chaos.fault import Fault, Scale
from chaos.garbage import commands, unfit, unreadable
from chaos.invariants import REDIS
from chaos.load import Load
from chaos.refusals import REFUSALS, Administrator
from chaos.rig import QUEUES, Rig
from harness.waiting import wait_until

BACK_LIMIT_S = 10.0
DROP_LIMIT_S = 60.0
BURSTS = 20
DROPPED = '"message_dropped"'
FROM_NO_QUEUE = '"reason": "control"'
COMMANDS = "/0.celery.pidbox"


def refuse(rig: Rig, load: Load, scale: Scale) -> int:
    """Bring about each kind of refusal, in a new order each time; returns the number."""
    del load
    admin = Administrator(rig.servers.redis)
    with admin.client:
        for _ in range(scale.times):
            for name in rig.rng.sample(sorted(REFUSALS), len(REFUSALS)):
                with rig.outage(REDIS), REFUSALS[name].by(admin):
                    rig.pause(1.0, 3.0)
                _wait_back(rig, name)
                rig.pause(0.2, 1.0)
    return scale.times * len(REFUSALS)


def _wait_back(rig: Rig, name: str) -> None:
    try:
        rig.wait_ready(BACK_LIMIT_S)
    except TimeoutError:
        rig.complaints.append(f"{BACK_LIMIT_S:.0f} s after {name!r} something is missing")
        rig.wait_ready()


def pour_garbage(rig: Rig, load: Load, scale: Scale) -> int:
    """Put garbage into the queues and the workers' command channel; returns the number."""
    for burst in range(BURSTS):
        rig.pause(load.lasts_s / BURSTS)
        order_id = rig.rng.choice(load.accepted or [str(uuid4())])
        for _ in range(burst, scale.times, BURSTS):
            queue = rig.rng.choice(QUEUES)
            kinds = unreadable(queue) | unfit(queue, order_id)
            rig.redis.lpush(queue, kinds[rig.rng.choice(sorted(kinds))])
        rig.redis.publish(COMMANDS, rig.rng.choice(sorted(commands().values())))
    message = f"of {scale.times} messages not all are told as dropped"
    wait_until(lambda: _dropped(rig) >= scale.times, DROP_LIMIT_S, message)
    rig.healed()
    return _dropped(rig)


def _dropped(rig: Rig) -> int:
    return sum(
        rig.count_in_log(name, DROPPED) - rig.count_in_log(name, FROM_NO_QUEUE)
        for name in rig.workers
    )


FAULTS = (
    Fault(
        name="redis_refuses_writes",
        what=f"{len(REFUSALS)} kinds of refusals of Redis, one after the other",
        inject=refuse,
        full=Scale(orders=2400, times=10, workers=2),
        quick=Scale(orders=120, times=1),
        rate_per_s=4.0,
        recovery_limit_s=20.0,
    ),
    Fault(
        name="garbage_messages",
        what="messages and commands that are no proper ones, in between the others",
        inject=pour_garbage,
        full=Scale(orders=600, times=1000, workers=2),
        quick=Scale(orders=100, times=100),
    ),
)
