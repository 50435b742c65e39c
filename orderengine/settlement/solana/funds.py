"""What the wallet has left for another swap: its balances less what signed orders may take."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from uuid import UUID

from solders.pubkey import Pubkey

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.execution.commitments import Commitment, Commitments
from orderengine.settlement.solana.tokens import Tokens
from orderengine.solana import requests
from orderengine.solana.accounts import (
    TOKEN_2022_PROGRAM,
    WRAPPED_SOL,
    Account,
    decode_token_account,
)
from orderengine.solana.refusals import AccountRefused
from orderengine.solana.requests import MOST_STATUSES
from orderengine.solana.rpc import Node
from orderengine.solana.transactions import (
    RENT_LAMPORTS,
    SIGNATURE_LAMPORTS,
    Budget,
    Plan,
    token_account_of,
)

RESERVED_S = 15.0
"""How long a swap that was signed here counts before its order is found to be submitted."""
LEAST_LAMPORTS = 890_880
"""What an account without data must hold. Source: `Rent::default()` of anza-xyz/solana-sdk."""
EXTENDED_RENT_LAMPORTS = 2_200_000
"""More than any token account of Token-2022 needs of those that are traded here."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one order may take; `signature` is None while it is being signed."""

    mint: Pubkey
    most: int
    signature: str | None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Balances:
    """The wallet's accounts at one slot."""

    slot: int
    accounts: Mapping[Pubkey, Account | None]

    def lamports(self, wallet: Pubkey) -> int:
        """The wallet's SOL."""
        account = self.accounts.get(wallet)
        return 0 if account is None else account.lamports

    def units(self, address: Pubkey) -> int:
        """The base units in a token account; 0 if it does not exist, or cannot be used."""
        try:
            held = decode_token_account(self.accounts.get(address), "the wallet's account")
        except AccountRefused:
            return 0
        return 0 if held.is_frozen else held.amount


class _Promised:
    """The claims of orders, and their units together by mint."""

    def __init__(self, claims: Mapping[UUID, _Claim]) -> None:
        self.claims = dict(claims)
        self.units: Counter[Pubkey] = Counter()
        for claim in claims.values():
            self.units[claim.mint] += claim.most

    def promise(self, order_id: UUID, claim: _Claim) -> None:
        """Add the claim of an order that has none."""
        self.claims[order_id] = claim
        self.units[claim.mint] += claim.most

    def take_back(self, order_id: UUID) -> _Claim | None:
        """Remove and return the claim of an order, if it has one."""
        claim = self.claims.pop(order_id, None)
        if claim is not None:
            self.units[claim.mint] -= claim.most
        return claim


class Funds:
    """Lets each swap reserve what it may take, so that many at once never promise the same units.

    Safe for any thread of one process. Several workers with one wallet see each other's orders once
    they are submitted.
    """

    def __init__(
        self,
        wallet: Pubkey,
        commitments: Commitments,
        tokens: Tokens,
        budget: Budget,
        reserve_lamports: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wallet = wallet
        self._commitments = commitments
        self._tokens = tokens
        self._fee = SIGNATURE_LAMPORTS + budget.priority_lamports
        self._reserve = reserve_lamports
        self._clock = clock
        self._lock = Lock()
        self._reserved: dict[UUID, _Claim] = {}

    def reserve(self, node: Node, plans: Sequence[Plan]) -> list[AttemptFailed | None]:
        """Reserve what each of these swaps may take; for one that the wallet cannot pay, the error.

        Raises NetworkUnavailable or StorageUnavailable without an answer.
        """
        balances = self._read(node, plans)
        submitted = self._commitments.submitted()
        with self._lock:
            known = _Promised(self._claims(submitted))
            found = [self._reserve_one(plan, balances, known) for plan in plans]
        if not any(found):
            return found
        # Some of the others may have landed: then the balances are without their units already.
        landed = self._landed(node, known.claims, balances.slot)
        with self._lock:
            claims = self._claims(submitted)
            left = _Promised(
                {order: claim for order, claim in claims.items() if claim.signature not in landed}
            )
            return [
                error and self._reserve_one(plan, balances, left)
                for plan, error in zip(plans, found, strict=True)
            ]

    def signed(self, order_id: UUID, signature: str) -> None:
        """Note the signature of a swap that has reserved, which tells when it has landed."""
        with self._lock:
            if (claim := self._reserved.get(order_id)) is not None:
                self._reserved[order_id] = replace(claim, signature=signature)

    def release(self, order_id: UUID) -> None:
        """Give back what a swap has reserved that will not be sent."""
        with self._lock:
            self._reserved.pop(order_id, None)

    def _read(self, node: Node, plans: Sequence[Plan]) -> Balances:
        addresses = {self._wallet}
        for plan in plans:
            addresses |= {token_account_of(self._wallet, each) for each in (plan.paid, plan.got)}
        slot, found = 0, dict[Pubkey, Account | None]()
        for part in requests.in_parts(sorted(addresses, key=bytes)):
            seen_at, accounts = requests.accounts(node, part)
            slot = min(slot or seen_at, seen_at)
            found |= accounts
        return Balances(slot, found)

    def _claims(self, submitted: Sequence[Commitment]) -> dict[UUID, _Claim]:
        now = self._clock()
        self._reserved = {
            order: claim for order, claim in self._reserved.items() if claim.at > now - RESERVED_S
        }
        stored = {
            each.order_id: _Claim(mint, each.most, each.signature)
            for each in submitted
            if (mint := self._tokens.mint_of(each.symbol, each.asset)) is not None
        }
        return {**self._reserved, **stored}

    def _reserve_one(
        self, plan: Plan, balances: Balances, known: _Promised
    ) -> AttemptFailed | None:
        earlier = known.take_back(plan.order_id)
        if error := self._error(plan, balances, known):
            if earlier is not None:
                known.promise(plan.order_id, earlier)
            return error
        claim = _Claim(plan.paid[0], plan.most_paid, None, self._clock())
        known.promise(plan.order_id, claim)
        self._reserved[plan.order_id] = claim
        return None

    def _error(self, plan: Plan, balances: Balances, others: _Promised) -> AttemptFailed | None:
        mint, lamports = plan.paid[0], balances.lamports(self._wallet)
        taken, sol_taken = others.units[mint], others.units[WRAPPED_SOL]
        fees = self._fee * (len(others.claims) + 1) + self._rent(plan, balances)
        if mint == WRAPPED_SOL:
            kept = max(self._reserve, LEAST_LAMPORTS) + fees
            return self._short(plan, lamports - kept, taken, "SOL above SOLANA_RESERVE_SOL")
        if lamports - sol_taken < fees + LEAST_LAMPORTS:
            return _insufficient(f"{lamports} lamports in the wallet do not pay fees of {fees}")
        held = balances.units(token_account_of(self._wallet, plan.paid))
        return self._short(plan, held, taken, self._tokens.name_of(mint))

    def _rent(self, plan: Plan, balances: Balances) -> int:
        """What the swap puts into token accounts, for a time or for good."""
        mint, program = plan.got
        temporary = RENT_LAMPORTS if WRAPPED_SOL in {mint, plan.paid[0]} else 0
        address = token_account_of(self._wallet, plan.got)
        if mint == WRAPPED_SOL or balances.accounts.get(address) is not None:
            return temporary
        is_extended = program == TOKEN_2022_PROGRAM
        return temporary + (EXTENDED_RENT_LAMPORTS if is_extended else RENT_LAMPORTS)

    def _short(self, plan: Plan, held: int, taken: int, name: str) -> AttemptFailed | None:
        left = held - taken
        if left >= plan.most_paid:
            return None
        detail = f"the swap may take {plan.most_paid} base units of {name}, the wallet has"
        return _insufficient(f"{detail} {max(held, 0)}, and {taken} of them are promised")

    def _landed(self, node: Node, known: Mapping[UUID, _Claim], slot: int) -> set[str]:
        """The signatures that landed by a slot, and so are in the balances of that slot."""
        asked = [claim.signature for claim in known.values() if claim.signature is not None]
        landed: set[str] = set()
        for start in range(0, len(asked), MOST_STATUSES):
            part = asked[start : start + MOST_STATUSES]
            _, found = requests.statuses(node, part, in_history=False)
            landed |= {
                signature
                for signature, status in zip(part, found, strict=True)
                if status is not None and status.slot <= slot and status.confirmation != "processed"
            }
        return landed


def _insufficient(detail: str) -> AttemptFailed:
    return OrderUnfillable(FailureReason.INSUFFICIENT_FUNDS, detail)
