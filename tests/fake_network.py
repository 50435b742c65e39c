"""A settlement network in memory that obeys a test, with the port's promises."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from orderengine.domain.errors import AttemptFailed, NetworkUnavailable
from orderengine.domain.fill import FillLeg, SignedTransaction
from orderengine.domain.side import Asset
from orderengine.execution.network import Execution, InFlight, NotFound, Outcome, Reverted, Swap
from orderengine.settlement import wire

LANDED_AT = datetime(2026, 11, 22, 12, 0, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """A swap that was sent to the network, and its outcome."""

    swap: Swap
    last_valid_height: int
    outcome: Outcome = InFlight()  # noqa: RUF009 - frozen


class FakeNetwork:
    """Lands, reverts, loses and goes dark when told; only a test moves `height`.

    It drops a sent swap that has not landed by its last valid height. `executions` counts the
    landed swaps of each order, so that a test sees a double execution. `sends` has every signature
    that a caller tried to send, lost ones included. It signs nothing for an order in `refusals`.
    """

    def __init__(self, height: int = 1_000, validity: int = 150) -> None:
        self.height = height
        self.validity = validity
        self.executions: Counter[UUID] = Counter()
        self.sends: list[str] = []
        self.refusals: dict[UUID, AttemptFailed] = {}
        self._sent: dict[str, Sent] = {}
        self._buried: set[str] = set()
        self._nonces = 0
        self.dark_for_s = 0.0
        self._dark = False
        self._lose_send = False
        self._lose_answer = False

    @property
    def typical_confirmation_s(self) -> float:
        return 2.0

    @property
    def outage_s(self) -> float:
        return self.dark_for_s

    def owns(self, transaction: SignedTransaction) -> bool:
        return transaction.network is None

    def sign(self, swap: Swap) -> SignedTransaction:
        (signed,) = self.sign_all([swap])
        if isinstance(signed, AttemptFailed):
            raise signed
        return signed

    def sign_all(self, swaps: Sequence[Swap]) -> list[SignedTransaction | AttemptFailed]:
        self._answer()
        return [self.refusals.get(swap.order_id) or self._signed(swap) for swap in swaps]

    def _signed(self, swap: Swap) -> SignedTransaction:
        self._nonces += 1
        return wire.sign(swap, self.height + self.validity, nonce=str(self._nonces))

    def send(self, transaction: SignedTransaction) -> None:
        (error,) = self.send_all([transaction])
        if error is not None:
            raise error

    def send_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[NetworkUnavailable | None]:
        for transaction in transactions:
            wire.read(transaction)
        return [self._fate(transaction) for transaction in transactions]

    def _fate(self, transaction: SignedTransaction) -> NetworkUnavailable | None:
        try:
            self._receive(transaction)
        except NetworkUnavailable as error:
            return error
        return None

    def _receive(self, transaction: SignedTransaction) -> None:
        signed = wire.read(transaction)
        self.sends.append(signed.signature)
        self._answer()
        if self._lose_send:
            self._lose_send = False
            raise NetworkUnavailable("the transaction was lost on its way")
        if self.height <= signed.last_valid_height and signed.signature not in self._buried:
            entry = Sent(signed.swap, signed.last_valid_height)
            self._sent.setdefault(signed.signature, entry)
        if self._lose_answer:
            self._lose_answer = False
            raise NetworkUnavailable("the answer was lost on its way")

    def look_up(self, signature: str) -> Outcome:
        (outcome,) = self.look_up_all([signature])
        return outcome

    def look_up_all(self, signatures: Sequence[str]) -> list[Outcome]:
        self._answer()
        self._drop_expired()
        found = [self._sent.get(signature) for signature in signatures]
        return [NotFound() if sent is None else sent.outcome for sent in found]

    def final_height(self) -> int:
        self._answer()
        return self.height

    def look_up_expired(self, transaction: SignedTransaction) -> Outcome:
        signed = wire.read(transaction)
        outcome = self.look_up(signed.signature)
        if isinstance(outcome, NotFound):
            if self.height <= signed.last_valid_height:
                raise NetworkUnavailable("no proof of expiry yet")
            self._buried.add(signed.signature)
        return outcome

    def look_up_expired_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[Outcome | NetworkUnavailable]:
        return [self._expired_or_error(each) for each in transactions]

    def _expired_or_error(self, transaction: SignedTransaction) -> Outcome | NetworkUnavailable:
        try:
            return self.look_up_expired(transaction)
        except NetworkUnavailable as error:
            return error

    def swap(self, signature: str) -> Swap:
        """The swap that was sent with this signature."""
        return self._sent[signature].swap

    def land(self, signature: str, other_amount: int | None = None) -> None:
        """Execute a sent swap, at its limit unless the test names another amount."""
        swap = self._flying(signature).swap
        self.executions[swap.order_id] += 1
        amount = swap.limit_amount if other_amount is None else other_amount
        fee, impact = Decimal("5.75"), Decimal("3.1")
        legs = []
        for number, leg in enumerate(swap.legs):
            # The first leg gets the whole amount of the other asset; the others get 0.
            amounts = leg.amount, 0 if number else amount
            base, usdc = amounts if swap.exact is Asset.BASE else reversed(amounts)
            legs.append(FillLeg(leg.venue, leg.pool, base, usdc, fee, impact))
        outcome = Execution(tuple(legs), LANDED_AT)
        self._sent[signature] = replace(self._sent[signature], outcome=outcome)

    def revert(
        self, signature: str, *, slippage_exceeded: bool = True, detail: str = "reverted"
    ) -> None:
        """Land a sent swap with an error."""
        self._flying(signature)
        outcome = Reverted(slippage_exceeded, detail)
        self._sent[signature] = replace(self._sent[signature], outcome=outcome)

    def expire(self) -> None:
        """Move past the last valid height of all transactions signed so far."""
        self.height += self.validity + 1

    def lose_next_send(self) -> None:
        """Let the next send raise with nothing stored."""
        self._lose_send = True

    def lose_next_answer(self) -> None:
        """Let the next send raise although it is stored."""
        self._lose_answer = True

    def go_dark(self) -> None:
        """Answer nothing until `come_back`."""
        self._dark = True

    def come_back(self) -> None:
        """Answer again."""
        self._dark = False

    def _flying(self, signature: str) -> Sent:
        self._drop_expired()
        sent = self._sent[signature]
        assert isinstance(sent.outcome, InFlight), f"{signature} has landed already"
        return sent

    def _drop_expired(self) -> None:
        for signature, sent in list(self._sent.items()):
            if isinstance(sent.outcome, InFlight) and self.height > sent.last_valid_height:
                del self._sent[signature]

    def _answer(self) -> None:
        if self._dark:
            raise NetworkUnavailable("the network is dark")
