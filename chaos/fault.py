"""A fault: its effect on the rig, how often, and under which load."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from chaos.acts import Act
from chaos.load import MARKET_ORDERS, Load, Offers
from chaos.rig import Rig

# Short enough for many orders, long enough that every stage holds some of them at any time.
BRISK = {
    "SIM_QUOTE_LATENCY_MS": "20-80",
    "SIM_SETTLEMENT_MS": "200-600",
    "RETRY_BACKOFF_MS": "200",
}


SIMULATED, LOCALNET = "simulated", "localnet"
NETWORKS = (SIMULATED, LOCALNET)


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a run: least number of orders, number of injections, number of workers.

    `patience` multiplies the time that recovery may take.
    """

    orders: int
    times: int
    workers: int = 1
    patience: float = 1.0

    def scaled(self, factor: float) -> "Scale":
        """A fraction of this size, with at least one order and one injection."""
        return replace(
            self,
            orders=max(round(self.orders * factor), 1),
            times=max(round(self.times * factor), 1),
        )


Injection = Callable[[Rig, Load, Scale], int]


@dataclass(frozen=True)
class Fault:
    """One fault; `inject` breaks and heals the rig under load, and returns how often.

    `quick` is None if `make chaos-quick` leaves the fault out. `batch` orders come at once, in one
    request; `offers` says which ones. `recovery_limit_s` counts from the last healing.
    `tells_sockets` means that processes leave in order and must tell their sockets. `runs_alone` is
    for a fault that compares speeds: no other fault runs beside it, and the engine reaches its
    servers without proxies. `network` is what the orders settle on.
    """

    name: str
    what: str
    inject: Injection
    full: Scale
    quick: Scale | None
    rate_per_s: float = 10.0
    batch: int = 1
    offers: Offers = MARKET_ORDERS
    settings: Mapping[str, str] = field(default_factory=dict)
    recovery_limit_s: float = 30.0
    tells_sockets: bool = False
    runs_alone: bool = False
    network: str = SIMULATED

    @property
    def environ(self) -> dict[str, str]:
        """The settings of the stack."""
        return {**BRISK, **self.settings}


def repeatedly(act: Act) -> Injection:
    """Repeat an act, at seeded moments that are spread over the load's duration."""

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
    """Run one act, made for `scale.times`: a number of answers, say, or of seconds."""

    def inject(rig: Rig, load: Load, scale: Scale) -> int:
        del load
        return act_of(scale.times)(rig)

    return inject


def nothing(rig: Rig, load: Load, scale: Scale) -> int:
    """Inject nothing: the stack's settings are the fault, from the first order to the last."""
    del scale
    rig.pause(load.lasts_s)
    rig.healed()
    return len(load.accepted)
