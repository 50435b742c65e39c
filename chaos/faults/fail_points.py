"""A process dies at a named place: each place in turn, as often as configured."""

import time
from dataclasses import dataclass

from chaos.fault import Fault, Scale
from chaos.load import Load
from chaos.rig import QUEUES, WEB, Rig
from harness.waiting import wait_until
from orderengine.faults.points import STRUCK, FailPoint

SLOTS = ("armed-1", "armed-2")
PASSAGES = 4
STRIKE_LIMIT_S = 45.0
WEB_STRIKE_LIMIT_S = 30.0
RECOVERY_IS_RARE_S = 15.0
OF_THE_CHAIN = tuple(point for point in FailPoint if not point.is_of_waiting)
"""The places that market orders come to; `cancel_storm` has the others."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One process to kill at the n-th passage of a place."""

    point: FailPoint
    passage: int

    @property
    def setting(self) -> str:
        """The value of FAIL_POINT."""
        return f"{self.point.value}:{self.passage}"

    @property
    def stage(self) -> str:
        """The part of the chain that passes this place."""
        return self.point.value.partition(".")[0]

    @property
    def is_in_recovery(self) -> bool:
        """Whether only recovery passes this place."""
        return self.stage == "recover"


def die_everywhere(rig: Rig, load: Load, scale: Scale) -> int:
    """Kill at every place, while an unarmed worker goes on; returns the number of kills."""
    del load
    kills = [
        Kill(point, 1 if _is_rare(point) else rig.rng.randint(1, PASSAGES))
        for point in OF_THE_CHAIN
        for _ in range(scale.times)
    ]
    rig.rng.shuffle(kills)
    struck = _kill_workers(rig, [kill for kill in kills if not kill.point.is_in_web])
    struck += sum(kill_web(rig, kill) for kill in kills if kill.point.is_in_web)
    rig.restart(WEB)
    rig.wait_ready()
    rig.healed()
    return struck


def _is_rare(point: FailPoint) -> bool:
    """True for recovery and failed attempts, which are rarer than the stages."""
    return point.value.startswith(("recover.", "retry."))


def kill_web(rig: Rig, kill: Kill) -> bool:
    """Kill the serving process; the process that supervises it is killed afterwards."""
    before = rig.count_in_log(WEB, STRUCK)
    rig.restart(WEB, FAIL_POINT=kill.setting)
    wait_until(
        lambda: rig.count_in_log(WEB, STRUCK) > before,
        WEB_STRIKE_LIMIT_S,
        f"no web process came to {kill.setting}",
    )
    return True


def _kill_workers(rig: Rig, kills: list[Kill]) -> int:
    """Run two armed workers at a time; replace each one when it has died."""
    armed: dict[str, tuple[Kill, float]] = {}
    struck = 0
    waiting = list(kills)
    while waiting or armed:
        for slot in SLOTS:
            if slot in armed and not _is_over(rig, slot, *armed[slot]):
                _leave_something_to_recover(rig, *armed[slot])
                continue
            struck += armed.pop(slot, None) is not None
            if waiting:
                kill = waiting.pop()
                armed[slot] = (kill, time.monotonic())
                _arm(rig, slot, kill)
        rig.pause(0.1)
    return struck


def _arm(rig: Rig, slot: str, kill: Kill) -> None:
    if kill.is_in_recovery:
        rig.redis.delete(*QUEUES)  # so that there is something to recover
    rig.launch(slot, FAIL_POINT=kill.setting)


def _leave_something_to_recover(rig: Rig, kill: Kill, since: float) -> None:
    """Kill the unarmed worker, too, if an armed one waits in vain for work of recovery."""
    if kill.is_in_recovery and time.monotonic() - since > RECOVERY_IS_RARE_S:
        rig.kill(rig.workers[0])
        rig.pause(RECOVERY_IS_RARE_S / 2)  # by then its orders are due and only the armed one runs
        rig.restart(rig.workers[0])


def _is_over(rig: Rig, slot: str, kill: Kill, since: float) -> bool:
    if not rig.is_running(slot):
        return True
    if time.monotonic() - since > STRIKE_LIMIT_S:
        rig.kill(slot)
        rig.complaints.append(f"no worker came to {kill.setting} in {STRIKE_LIMIT_S:.0f} s")
    return False


FAULTS = (
    Fault(
        name="fail_points",
        what=f"a process dies at each of {len(OF_THE_CHAIN)} places",
        inject=die_everywhere,
        full=Scale(orders=500, times=20),
        quick=Scale(orders=60, times=1),
        rate_per_s=8.0,
        settings={"SIM_CHAIN_ERROR_RATE": "0.2"},
    ),
)
