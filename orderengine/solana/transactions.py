"""One v0 transaction for a swap: its instructions, and the limits that it must keep to be sent.

A swap of several legs is one transaction: all legs execute, or none does.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import (
    ID as SYSTEM_PROGRAM,
)
from solders.system_program import (
    CreateAccountWithSeedParams,
    create_account_with_seed,
)
from solders.transaction import VersionedTransaction

from orderengine.domain.side import Asset, Side
from orderengine.solana.accounts import (
    ASSOCIATED_TOKEN_PROGRAM,
    MEMO_PROGRAM,
    TOKEN_ACCOUNT_LENGTH,
    TOKEN_PROGRAM,
    WRAPPED_SOL,
    associated_token_address,
)
from orderengine.solana.keys import Wallet
from orderengine.solana.pools.pool import Pool, SwapTerms

MAX_BYTES: Final = 1232
"""The most bytes of a transaction. Source: `PACKET_DATA_SIZE` of anza-xyz/solana-sdk."""
MAX_ACCOUNTS: Final = 64
"""The most accounts of a transaction. Source: `MAX_TX_ACCOUNT_LOCKS` of anza-xyz/agave."""
SIGNATURE_LAMPORTS: Final = 5_000
RENT_LAMPORTS: Final = 2_039_280
"""What a token account of 165 bytes must hold. Source: `Rent::default()` of anza-xyz/solana-sdk."""

MEMO_PREFIX: Final = "oe:"
_CREATE_IDEMPOTENT = b"\x01"
_INITIALIZE_ACCOUNT_3 = b"\x12"
_CLOSE_ACCOUNT = b"\x09"
_MICRO = 10**6


class TransactionTooLarge(ValueError):
    """A swap does not fit into one transaction."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The compute units of a transaction, and what is paid for each, in microlamports."""

    units: int
    microlamports: int

    @classmethod
    def capped(cls, units: int, microlamports: int, most_lamports: int) -> "Budget":
        """A budget whose priority fee is at most `most_lamports`."""
        return cls(units, min(microlamports, most_lamports * _MICRO // units))

    @property
    def priority_lamports(self) -> int:
        """The priority fee; it is due for all units, used or not."""
        return -(-self.units * self.microlamports // _MICRO)


@dataclass(frozen=True, slots=True)
class Leg:
    """One swap in one pool: exactly `amount` of the exact asset, for `limit` or better."""

    pool: Pool
    amount: int
    limit: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The swap of an order's attempt, leg by leg; all legs trade the same two tokens.

    `prepared` as in `execution.network.Swap`.
    """

    order_id: UUID
    attempt: int
    side: Side
    exact: Asset
    legs: Sequence[Leg]
    prepared: bool = False

    @property
    def paid(self) -> tuple[Pubkey, Pubkey]:
        """The mint and the token program of what the wallet pays."""
        pool = self.legs[0].pool
        token = pool.usdc if self.side is Side.BUY else pool.base
        return token.mint, token.program

    @property
    def got(self) -> tuple[Pubkey, Pubkey]:
        """The mint and the token program of what the wallet gets."""
        pool = self.legs[0].pool
        token = pool.base if self.side is Side.BUY else pool.usdc
        return token.mint, token.program

    @property
    def most_paid(self) -> int:
        """The most that the wallet pays, in base units."""
        is_input_exact = (self.exact is Asset.QUOTE) == (self.side is Side.BUY)
        return sum(leg.amount if is_input_exact else leg.limit for leg in self.legs)


def memo_of(order_id: UUID, attempt: int) -> str:
    """The memo that makes the transaction of an attempt unique.

    Without it two equal swaps for one block would have the same bytes, and one landing would settle
    both.
    """
    digest = hashlib.sha256(f"{order_id}:{attempt}".encode()).hexdigest()
    return f"{MEMO_PREFIX}{digest[:16]}{secrets.token_hex(4)}"


def message_of(plan: Plan, wallet: Pubkey, blockhash: Hash, budget: Budget) -> MessageV0:
    """The message to sign; raises TransactionTooLarge, or AmmError from a pool.

    Accounts that only moved pools would need are left out where they make it too large.
    """
    memo = memo_of(plan.order_id, plan.attempt)

    def compiled(*, is_tight: bool) -> MessageV0:
        instructions = _instructions(plan, wallet, budget, memo, is_tight=is_tight)
        return _compiled(wallet, instructions, blockhash)

    try:
        return compiled(is_tight=False)
    except TransactionTooLarge:
        return compiled(is_tight=True)


def _compiled(wallet: Pubkey, instructions: Sequence[Instruction], blockhash: Hash) -> MessageV0:
    message = MessageV0.try_compile(wallet, instructions, [], blockhash)
    if len(message.account_keys) > MAX_ACCOUNTS:
        count = len(message.account_keys)
        raise TransactionTooLarge(f"{count} accounts are more than {MAX_ACCOUNTS}")
    if (size := len(bytes(unsigned(message)))) > MAX_BYTES:
        raise TransactionTooLarge(f"{size} bytes are more than {MAX_BYTES}")
    return message


def unsigned(message: MessageV0) -> VersionedTransaction:
    """The transaction with an empty signature: it can be simulated, and never land."""
    return VersionedTransaction.populate(message, [Signature.default()])


def signed(message: MessageV0, wallet: Wallet) -> VersionedTransaction:
    """The transaction with the wallet's signature."""
    return VersionedTransaction.populate(message, [wallet.sign(to_bytes_versioned(message))])


def token_account_of(wallet: Pubkey, token: tuple[Pubkey, Pubkey]) -> Pubkey:
    """The wallet's token account for a mint and its token program."""
    return associated_token_address(wallet, *token)


def _instructions(
    plan: Plan, wallet: Pubkey, budget: Budget, memo: str, *, is_tight: bool
) -> list[Instruction]:
    first = [set_compute_unit_limit(budget.units)]
    if budget.microlamports:
        first.append(set_compute_unit_price(budget.microlamports))
    wrapped = _Wrapped(wallet, memo.removeprefix(MEMO_PREFIX))
    source, destination = (
        wrapped.address if mint == WRAPPED_SOL else token_account_of(wallet, (mint, program))
        for mint, program in (plan.paid, plan.got)
    )
    swaps: list[Instruction] = []
    for leg in plan.legs:
        amounts = plan.side, plan.exact, leg.amount, leg.limit
        terms = SwapTerms(wallet, source, destination, *amounts, is_tight=is_tight)
        swaps += leg.pool.swap_instructions(terms)
    if plan.got[0] != WRAPPED_SOL:
        swaps.insert(0, _token_account(wallet, destination, plan.got))
    if plan.paid[0] == WRAPPED_SOL:
        swaps = [*wrapped.opened(plan.most_paid), *swaps, *wrapped.closed()]
    elif plan.got[0] == WRAPPED_SOL:
        swaps = [*wrapped.opened(0), *swaps, *wrapped.closed()]
    return [*first, Instruction(MEMO_PROGRAM, memo.encode(), []), *swaps]


def _token_account(wallet: Pubkey, address: Pubkey, token: tuple[Pubkey, Pubkey]) -> Instruction:
    """Makes the wallet's token account, if it does not exist.

    Source: `CreateIdempotent` of solana-program/associated-token-account.
    """
    mint, program = token
    accounts = [
        AccountMeta(wallet, is_signer=True, is_writable=True),
        AccountMeta(address, is_signer=False, is_writable=True),
        AccountMeta(wallet, is_signer=False, is_writable=False),
        AccountMeta(mint, is_signer=False, is_writable=False),
        AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
        AccountMeta(program, is_signer=False, is_writable=False),
    ]
    return Instruction(ASSOCIATED_TOKEN_PROGRAM, _CREATE_IDEMPOTENT, accounts)


class _Wrapped:
    """A token account for SOL that lives within one transaction.

    Closed in it, it gives the wallet all its SOL: what was got, what was not paid, and its rent.
    Source: `InitializeAccount3` and `CloseAccount` of solana-program/token.
    """

    def __init__(self, wallet: Pubkey, seed: str) -> None:
        self._wallet = wallet
        self._seed = seed
        self.address = Pubkey.create_with_seed(wallet, seed, TOKEN_PROGRAM)

    def opened(self, lamports: int) -> list[Instruction]:
        """Makes the account, with this much SOL beside its rent."""
        made = CreateAccountWithSeedParams(
            from_pubkey=self._wallet,
            to_pubkey=self.address,
            base=self._wallet,
            seed=self._seed,
            lamports=lamports + RENT_LAMPORTS,
            space=TOKEN_ACCOUNT_LENGTH,
            owner=TOKEN_PROGRAM,
        )
        accounts = [
            AccountMeta(self.address, is_signer=False, is_writable=True),
            AccountMeta(WRAPPED_SOL, is_signer=False, is_writable=False),
        ]
        data = _INITIALIZE_ACCOUNT_3 + bytes(self._wallet)
        return [create_account_with_seed(made), Instruction(TOKEN_PROGRAM, data, accounts)]

    def closed(self) -> list[Instruction]:
        """Closes the account."""
        accounts = [
            AccountMeta(self.address, is_signer=False, is_writable=True),
            AccountMeta(self._wallet, is_signer=False, is_writable=True),
            AccountMeta(self._wallet, is_signer=True, is_writable=False),
        ]
        return [Instruction(TOKEN_PROGRAM, _CLOSE_ACCOUNT, accounts)]
