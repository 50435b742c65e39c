"""What a fault is: what is done to the rig, how often, and under which load."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from chaos.acts import Act
from chaos.load import Load
from chaos.rig import Rig

# Short enough for many orders, long enough for some of them to be in every stage at any time.
BRISK = {
    "SIM_QUOTE_LATENCY_MS": "20-80",
    "SIM_SETTLEMENT_MS": "200-600",
    "RETRY_BACKOFF_MS": "200",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much: orders offered at least, how often it is injected, how many workers.

    `patience` multiplies the time that recovery may take.
    """

    orders: int
    times: int
    workers: int = 1
    patience: float = 1.0

    def scaled(self, factor: float) -> "Scale":
        """A part of it, at least one of each."""
        return replace(
            self,
            orders=max(round(self.orders * factor), 1),
            times=max(round(self.times * factor), 1),
        )


Injection = Callable[[Rig, Load, Scale], int]


@dataclass(frozen=True)
class Fault:
    """One fault; `inject` breaks and heals the rig while the load runs: how often it did.

    `quick` is None for what `make chaos-quick` leaves out. `recovery_limit_s` counts from the last
    time that everything was back; `tells_sockets` for processes that leave in order, and have to
    say so to their sockets; `runs_alone` for one that compares speeds: no other runs beside it.
    """

    name: str
    what: str
    inject: Injection
    full: Scale
    quick: Scale | None
    rate_per_s: float = 10.0
    settings: Mapping[str, str] = field(default_factory=dict)
    recovery_limit_s: float = 30.0
    tells_sockets: bool = False
    runs_alone: bool = False

    @property
    def environ(self) -> dict[str, str]:
        """The settings of the stack."""
        return {**BRISK, **self.settings}


def repeatedly(act: Act) -> Injection:
    """Do it as often as wanted, spread over the time that the load lasts, at seeded moments."""

    def inject(rig: Rig, load: Load, scale: Scale) -> int:
        started = time.monotonic()
        share_s = load.lasts_s / scale.times
        hits = 0
        for number in range(scale.times):
            at = started + share_s * (number + rig.rng.uniform(0.2, 0.8))
            rig.pause(max(at - time.monotonic(), 0.0))
            hits += act(rig)
        return hits

    return inject


def once(act_of: Callable[[int], Act]) -> Injection:
    """Do one thing that is told how much of it: how many answers, say, or how many seconds."""

    def inject(rig: Rig, load: Load, scale: Scale) -> int:
        del load
        return act_of(scale.times)(rig)

    return inject


def nothing(rig: Rig, load: Load, scale: Scale) -> int:
    """The settings of the stack are the fault: they last from the first order to the last."""
    del scale
    rig.pause(load.lasts_s)
    rig.healed()
    return len(load.accepted)
