"""The settlement network's port, with the swaps that it takes and the outcomes that it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol
from uuid import UUID

from orderengine.domain.errors import AttemptFailed, NetworkUnavailable
from orderengine.domain.fill import FillLeg, SignedTransaction
from orderengine.domain.pricing import BPS_PLACES
from orderengine.domain.side import Asset, Side, side_of


class InvalidTransaction(ValueError):
    """The signature does not belong to the bytes, or the bytes are not a swap."""


@dataclass(frozen=True, slots=True)
class SwapLeg:
    """The part of a swap that one pool trades: exactly `amount` base units of the exact asset.

    `base_decimals` are those of the base asset; None means `Instrument.unstated_decimals`.
    """

    venue: str
    pool: str
    amount: int
    base_decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap to sign: all of its legs or none, for `limit_amount` in total or better.

    The legs name amounts of the `exact` asset, the limit is for the other one: the most that is
    paid, or the least that is got. `prepared` swaps were built by the tick that found their pool
    open: a network that simulates swaps before it signs them does not simulate these.
    """

    order_id: UUID
    attempt: int
    symbol: str
    side: Side
    legs: tuple[SwapLeg, ...]
    limit_amount: int
    exact: Asset = Asset.BASE
    prepared: bool = False

    @property
    def amount(self) -> int:
        """The base units of the exact asset that all legs trade together."""
        return sum(leg.amount for leg in self.legs)

    @property
    def exact_side(self) -> Side:
        """The side of the exact asset."""
        return side_of(self.exact, self.side)


@dataclass(frozen=True, slots=True)
class Execution:
    """A landed swap as the network reports it, per leg and in total.

    The lamports are what a live network took for it; None on the simulated one.
    """

    legs: tuple[FillLeg, ...]
    landed_at: datetime
    network_fee_lamports: int | None = None
    priority_fee_lamports: int | None = None
    rent_lamports: int | None = None

    @property
    def base_amount(self) -> int:
        """The traded amount of the base asset, in base units."""
        return sum(leg.base_amount for leg in self.legs)

    @property
    def quote_amount(self) -> int:
        """The amount paid or received, in base units of USDC."""
        return sum(leg.quote_amount for leg in self.legs)

    @property
    def fee(self) -> Decimal:
        """The pools' fees, in USDC."""
        return sum((leg.fee for leg in self.legs), Decimal(0))

    @property
    def market_impact_bps(self) -> Decimal:
        """The legs' impact, averaged by their USDC."""
        moved = sum((leg.market_impact_bps * leg.quote_amount for leg in self.legs), Decimal(0))
        return (moved / self.quote_amount).quantize(BPS_PLACES, ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Reverted:
    """A transaction that landed with an error: it changed nothing and cannot land again."""

    slippage_exceeded: bool
    detail: str


@dataclass(frozen=True, slots=True)
class InFlight:
    """The network knows the signature, but the transaction has not landed yet."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """The network does not know the signature."""


Outcome = Execution | Reverted | InFlight | NotFound


class SettlementNetwork(Protocol):
    """The network that settles; every method raises NetworkUnavailable without an answer."""

    @property
    def typical_confirmation_s(self) -> float:
        """How long after sending a transaction the first poll should wait, in seconds."""

    @property
    def outage_s(self) -> float:
        """For how long the network has given no answer, in seconds; 0 if it answered last."""

    def owns(self, transaction: SignedTransaction) -> bool:
        """Whether a transaction was signed for this network with this wallet.

        About another one this network's answers say nothing.
        """

    def sign(self, swap: Swap) -> SignedTransaction:
        """Sign a swap against a fresh block; nothing is sent."""

    def sign_all(self, swaps: Sequence[Swap]) -> list[SignedTransaction | AttemptFailed]:
        """Sign swaps against one fresh block; for a swap that cannot be signed, the reason."""

    def send(self, transaction: SignedTransaction) -> None:
        """Send signed bytes; sending the same ones again is harmless."""

    def send_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[NetworkUnavailable | None]:
        """Send many; for each one whose arrival is uncertain, the error. Never raises it."""

    def look_up(self, signature: str) -> Outcome:
        """The outcome of a signature, as far as the network knows now."""

    def look_up_all(self, signatures: Sequence[str]) -> list[Outcome]:
        """The outcomes of many signatures, from one look at the network."""

    def final_height(self) -> int:
        """The height of the latest finalized block."""

    def look_up_expired(self, transaction: SignedTransaction) -> Outcome:
        """The outcome of a transaction whose last valid height is final.

        NotFound is a proof that the transaction can never land. Raises NetworkUnavailable also
        while the network cannot give that proof yet.
        """

    def look_up_expired_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[Outcome | NetworkUnavailable]:
        """The outcomes of many, each as `look_up_expired` finds it, or the error it raises."""
