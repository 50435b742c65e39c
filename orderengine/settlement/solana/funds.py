"""What the wallet has left for another swap: its balances less what others are promised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from solders.pubkey import Pubkey

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.execution.promises import Promises, Purse, Taken, Wanted
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

LEAST_LAMPORTS = 890_880
"""What an account without data must hold. Source: `Rent::default()` of anza-xyz/solana-sdk."""
EXTENDED_RENT_LAMPORTS = 2_200_000
"""More than any token account of Token-2022 needs of those that are traded here."""


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


@dataclass(frozen=True, slots=True)
class Funds:
    """Lets each swap reserve what it may take, so that no two are promised the same units.

    The promises are those of all workers: whichever of them signs, with however many threads.
    """

    wallet: Pubkey
    promises: Promises
    tokens: Tokens
    budget: Budget
    reserve_lamports: int

    def reserve(
        self, node: Node, network: str, plans: Sequence[Plan]
    ) -> list[AttemptFailed | None]:
        """Reserve what each of these swaps may take; for one that the wallet cannot pay, the error.

        Raises NetworkUnavailable or StorageUnavailable without an answer.
        """
        # The balances first: what is promised meanwhile counts, and what lands still counts.
        balances, purse = self._read(node, plans), self._purse(network)
        wanted = [self._wanted(plan, balances) for plan in plans]
        if self.promises.promise(purse, wanted) is None:
            return [None] * len(plans)
        # Not all of them fit, or some of the others have landed: the balances are without those.
        landed = self._landed(node, purse, balances.slot)
        found: list[AttemptFailed | None] = []
        for plan, each in zip(plans, wanted, strict=True):
            taken = self.promises.promise(purse, [each], landed)
            found.append(None if taken is None else self._shortage(plan, each, taken))
        return found

    def withdraw(self, network: str, order_ids: Sequence[UUID]) -> None:
        """Give back what swaps have reserved that will not be sent; raises StorageUnavailable."""
        if order_ids:
            self.promises.withdraw(self._purse(network), order_ids)

    def _purse(self, network: str) -> Purse:
        return Purse(network, str(self.wallet))

    def _read(self, node: Node, plans: Sequence[Plan]) -> Balances:
        addresses = {self.wallet}
        for plan in plans:
            addresses |= {token_account_of(self.wallet, each) for each in (plan.paid, plan.got)}
        slot, found = 0, dict[Pubkey, Account | None]()
        for part in requests.in_parts(sorted(addresses, key=bytes)):
            seen_at, accounts = requests.accounts(node, part)
            slot = min(slot or seen_at, seen_at)
            found |= accounts
        return Balances(slot, found)

    def _wanted(self, plan: Plan, balances: Balances) -> Wanted:
        mint, fee = plan.paid[0], SIGNATURE_LAMPORTS + self.budget.priority_lamports
        held = balances.lamports(self.wallet) - self._rent(plan, balances)
        if mint == WRAPPED_SOL:
            kept = max(self.reserve_lamports, LEAST_LAMPORTS)
            return Wanted(plan.order_id, str(mint), 0, plan.most_paid + fee, 0, held - kept)
        units = balances.units(token_account_of(self.wallet, plan.paid))
        most = plan.most_paid
        return Wanted(plan.order_id, str(mint), most, fee, units, held - LEAST_LAMPORTS)

    def _rent(self, plan: Plan, balances: Balances) -> int:
        """What the swap puts into token accounts, for a time or for good."""
        mint, program = plan.got
        temporary = RENT_LAMPORTS if WRAPPED_SOL in {mint, plan.paid[0]} else 0
        address = token_account_of(self.wallet, plan.got)
        if mint == WRAPPED_SOL or balances.accounts.get(address) is not None:
            return temporary
        is_extended = program == TOKEN_2022_PROGRAM
        return temporary + (EXTENDED_RENT_LAMPORTS if is_extended else RENT_LAMPORTS)

    def _shortage(self, plan: Plan, wanted: Wanted, taken: Taken) -> OrderUnfillable:
        held, promised, name = wanted.units_held, taken.units, self.tokens.name_of(plan.paid[0])
        if plan.paid[0] == WRAPPED_SOL:
            held, promised, name = (
                wanted.lamports_held,
                taken.lamports,
                "SOL above SOLANA_RESERVE_SOL",
            )
        elif wanted.lamports + taken.lamports > wanted.lamports_held:
            lamports = f"{max(wanted.lamports_held, 0)} lamports above rent and reserve"
            detail = f"{lamports}, of which {taken.lamports} are promised, do not pay the fee"
            return OrderUnfillable(FailureReason.INSUFFICIENT_FUNDS, detail)
        wants = f"the swap may take {plan.most_paid} base units of {name}, the wallet has"
        detail = f"{wants} {max(held, 0)}, and {promised} of them are promised"
        return OrderUnfillable(FailureReason.INSUFFICIENT_FUNDS, detail)

    def _landed(self, node: Node, purse: Purse, slot: int) -> list[UUID]:
        """The orders whose swaps landed by a slot, and so are in the balances of that slot."""
        signed, landed = self.promises.signed(purse), list[UUID]()
        for start in range(0, len(signed), MOST_STATUSES):
            part = signed[start : start + MOST_STATUSES]
            _, found = requests.statuses(node, [name for _, name in part], in_history=False)
            landed += [
                order_id
                for (order_id, _), status in zip(part, found, strict=True)
                if status is not None and status.slot <= slot and status.confirmation != "processed"
            ]
        return landed
