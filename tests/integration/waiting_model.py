"""A plain model of an order's rules (docs/orders.md, docs/decisions/0071).

It uses neither the table of transitions nor the fences of the statements.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

NOT_SIGNED = {"waiting", "pending", "routing", "building"}
ENDED = {"confirmed", "failed", "canceled", "expired"}


@dataclass
class Model:
    """What the rules say of one order."""

    order_id: UUID
    status: str
    can_expire: bool
    version: int = 1
    is_past: bool = False
    is_requested: bool = False
    signatures: list[str] = field(default_factory=list)

    @property
    def live(self) -> str | None:
        return self.signatures[-1] if self.status == "submitted" else None

    @property
    def goes_on(self) -> bool:
        return not self.is_requested and not self.is_past

    def become(self, status: str, steps: int = 1) -> None:
        self.status = status
        self.version += steps


class Rule(NamedTuple):
    """Where a move may start, where it leads, and what else must hold."""

    sources: set[str]
    target: str
    holds: Callable[[Model], bool] = lambda _: True
    is_signing: bool = False


IN_FLIGHT = {"routing", "building", "submitted"}
RULES: Mapping[str, Rule] = {
    "trigger": Rule({"waiting"}, "pending", lambda m: not m.is_past, is_signing=True),
    "amend": Rule({"waiting"}, "waiting", lambda m: not m.is_past),
    "route": Rule({"pending"}, "routing"),
    "reroute": Rule({"routing", "building"}, "routing"),
    "build": Rule({"routing"}, "building"),
    "submit": Rule({"building"}, "submitted", lambda m: not m.is_past, is_signing=True),
    "confirm": Rule({"submitted"}, "confirmed"),
    "fail attempt": Rule(IN_FLIGHT, "pending", lambda m: m.goes_on),
    "fail": Rule(IN_FLIGHT | {"pending"}, "failed", lambda m: m.goes_on),
    "rest": Rule(IN_FLIGHT, "waiting", lambda m: m.goes_on),
    "not filled": Rule(IN_FLIGHT, "expired", lambda m: m.goes_on),
    "end canceled": Rule({"submitted"}, "canceled", lambda m: m.is_requested),
    "end expired": Rule({"submitted"}, "expired", lambda m: m.is_past and not m.is_requested),
}
ON_THE_NETWORKS_WORD = {name for name, rule in RULES.items() if "submitted" in rule.sources}
