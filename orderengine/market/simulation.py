"""The settings of the simulated market, venues and network."""

from dataclasses import dataclass
from typing import Protocol, Self

from orderengine.market.reference import MAX_VOLATILITY


@dataclass(frozen=True, slots=True)
class Span:
    """An inclusive range of integers, written `LOW-HIGH`."""

    low: int
    high: int


class Variables(Protocol):
    """Reads variables; each method raises an error that names a wrong one."""

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds."""

    def span(self, name: str, default: str, high: int) -> Span:
        """A range from 0 to `high`."""

    def rate(self, name: str) -> float:
        """A number from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """The simulated market and network; spans are in milliseconds or basis points.

    A `volatility` of n makes the reference path n times as steep.
    """

    seed: int
    quote_latency_ms: Span
    settlement_ms: Span
    spread_bps: Span
    drift_bps: Span
    block_ms: int
    validity_ms: int
    quote_fail_rate: float
    send_loss_rate: float
    answer_loss_rate: float
    chain_error_rate: float
    volatility: int = 1

    @classmethod
    def from_variables(cls, env: Variables) -> Self:
        """Read the settings of the simulation; `.env.example` explains each one."""
        return cls(
            seed=env.integer("SIM_SEED", 1, 0, 2**63 - 1),
            quote_latency_ms=env.span("SIM_QUOTE_LATENCY_MS", "150-250", 60_000),
            settlement_ms=env.span("SIM_SETTLEMENT_MS", "2000-3000", 600_000),
            spread_bps=env.span("SIM_SPREAD_BPS", "200-500", 5_000),
            drift_bps=env.span("SIM_DRIFT_BPS", "0-60", 5_000),
            block_ms=env.integer("SIM_BLOCK_MS", 400, 1, 60_000),
            validity_ms=env.integer("SIM_VALIDITY_MS", 60_000, 1, 3_600_000),
            quote_fail_rate=env.rate("SIM_QUOTE_FAIL_RATE"),
            send_loss_rate=env.rate("SIM_SEND_LOSS_RATE"),
            answer_loss_rate=env.rate("SIM_ANSWER_LOSS_RATE"),
            chain_error_rate=env.rate("SIM_CHAIN_ERROR_RATE"),
            volatility=env.integer("SIM_VOLATILITY", 1, 1, MAX_VOLATILITY),
        )
