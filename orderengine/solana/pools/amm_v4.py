"""Raydium AMM v4: its accounts and its two swap instructions.

Source: raydium-io/raydium-amm 0.3.1 (27f461d), `state.rs`, `instruction.rs` and `processor.rs`.
That release ignores the accounts of an order book, which earlier ones use if the pool's status
allows one. So their places are filled, and a pool with funds in an order book is refused.
"""

import struct
from dataclasses import dataclass
from typing import ClassVar, Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from orderengine.amm.amm_v4 import AmmV4Pool
from orderengine.amm.errors import AmmError
from orderengine.domain.side import Side
from orderengine.market.curve_liquidity import AmmV4Liquidity
from orderengine.solana.accounts import CLOCK, TOKEN_PROGRAM, decode_clock
from orderengine.solana.pools.pool import (
    Accounts,
    Pair,
    Reserve,
    SwapTerms,
    is_base_first,
    key_at,
    owned_account,
    read_reserve,
    readonly,
    require_started,
    signer,
    writable,
)
from orderengine.solana.refusals import AccountRefused, PoolPaused, PoolRefused

MAINNET_PROGRAM: Final = Pubkey.from_string("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8")
DEVNET_PROGRAM: Final = Pubkey.from_string("DRaya7Kj3aMWQSy19kSjvmuwq9docCHofyP9kanQGaav")
FORMER_DEVNET_PROGRAM: Final = Pubkey.from_string("HWy1jotHpo6UqeQxx49dpYYdQB8wj9Qk9MdxwjLvDHB8")
PROGRAM_IDS: Final = frozenset({MAINNET_PROGRAM, DEVNET_PROGRAM, FORMER_DEVNET_PROGRAM})

POOL_LENGTH = 752
AUTHORITY_SEED = b"amm authority"
SWAP_BASE_IN, SWAP_BASE_OUT = 9, 11

_STATUS = struct.Struct("<QQ")
_SWAP_FEE = struct.Struct("<QQ")  # at _SWAP_FEE_AT
_SWAP_FEE_AT = 176
_STATE = struct.Struct("<QQ16xQ")  # at _STATE_AT
_STATE_AT = 192
_VAULTS_AT, _MINTS_AT, _OPEN_ORDERS_AT = 336, 400, 496

_WITH_ORDER_BOOK, _SWAP_ONLY, _WAITING_TRADE = 1, 6, 7
_SWAPPING = {_WITH_ORDER_BOOK, _SWAP_ONLY, _WAITING_TRADE}

# The owner of an account with open orders, on OpenBook: native totals of both tokens.
# Source: openbook-dex/program `OpenOrders`, whose bytes begin with `serum` and end with `padding`.
_OPEN_ORDERS_LENGTH = 3228
_OPEN_ORDERS_MARK = b"serum"
_COIN_TOTAL_AT, _PC_TOTAL_AT = 85, 101


@dataclass(frozen=True, slots=True)
class LiveAmmV4:
    """A pool of the program `program`; `pool` has the base asset as X, and USDC as Y."""

    address: Pubkey
    program: Pubkey
    authority: Pubkey
    base: Reserve
    usdc: Reserve
    coin_first: bool
    pool: AmmV4Pool
    kind: ClassVar[str] = "amm_v4"

    def liquidity(self, side: Side) -> AmmV4Liquidity:
        """The prices of one side, with the base asset as the exact asset."""
        return AmmV4Liquidity(self.pool, side, self.base.decimals)

    def swap_instructions(self, terms: SwapTerms) -> list[Instruction]:
        """`SwapBaseIn` or `SwapBaseOut`: the amount paid comes first in both.

        The pool itself stands in the places of the open orders and the order book.
        """
        data = (
            struct.pack("<BQQ", SWAP_BASE_IN, terms.amount, terms.limit)
            if terms.is_input_exact
            else struct.pack("<BQQ", SWAP_BASE_OUT, terms.limit, terms.amount)
        )
        coin, pc = (self.base, self.usdc) if self.coin_first else (self.usdc, self.base)
        accounts: list[AccountMeta] = [
            *readonly(TOKEN_PROGRAM),
            *writable(self.address),
            *readonly(self.authority),
            *writable(self.address, coin.vault, pc.vault),
            *writable(*8 * (self.address,)),
            *writable(terms.source, terms.destination),
            signer(terms.user),
        ]
        return [Instruction(self.program, data, accounts)]


def wanted(address: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    """The mints, the vaults, the open orders and the clock; raises AccountRefused."""
    data = owned_account(address, accounts, PROGRAM_IDS, b"", POOL_LENGTH).data
    return (*_pair_at(data, _MINTS_AT), *_pair_at(data, _VAULTS_AT), _open_orders(data), CLOCK)


def decode(address: Pubkey, pair: Pair, accounts: Accounts) -> LiveAmmV4:
    """The pool; raises AccountRefused if it cannot be traded."""
    account = owned_account(address, accounts, PROGRAM_IDS, b"", POOL_LENGTH)
    data = account.data
    coin_first = is_base_first(address, pair, *_pair_at(data, _MINTS_AT))
    status, nonce = _STATUS.unpack_from(data)
    kept_coin, kept_pc, open_s = _STATE.unpack_from(data, _STATE_AT)
    if status not in _SWAPPING:
        raise PoolPaused(f"the pool {address} makes no swaps: its status is {status}")
    if status == _WAITING_TRADE:
        require_started(address, open_s, decode_clock(accounts.get(CLOCK)))
    _require_no_orders(address, _open_orders(data), accounts)
    tokens = [
        read_reserve(address, mint, vault, accounts)
        for mint, vault in zip(_pair_at(data, _MINTS_AT), _pair_at(data, _VAULTS_AT), strict=True)
    ]
    if any(token.program != TOKEN_PROGRAM for token in tokens):
        raise PoolRefused(f"the pool {address} has a mint of Token-2022")
    left = [tokens[0].amount - kept_coin, tokens[1].amount - kept_pc]
    if min(left) <= 0:
        raise PoolRefused(f"the pool {address} is empty")
    if not coin_first:
        tokens.reverse()
        left.reverse()
    return LiveAmmV4(
        address=address,
        program=account.owner,
        authority=_authority(address, account.owner, nonce),
        base=tokens[0],
        usdc=tokens[1],
        coin_first=coin_first,
        pool=_priced(address, (left[0], left[1]), _SWAP_FEE.unpack_from(data, _SWAP_FEE_AT)),
    )


def _pair_at(data: bytes, offset: int) -> tuple[Pubkey, Pubkey]:
    return key_at(data, offset), key_at(data, offset + 32)


def _open_orders(data: bytes) -> Pubkey:
    return key_at(data, _OPEN_ORDERS_AT)


def _authority(address: Pubkey, program: Pubkey, nonce: int) -> Pubkey:
    """The program address that owns the vaults, the same for all pools of a program."""
    authority, bump = Pubkey.find_program_address([AUTHORITY_SEED], program)
    if nonce & 0xFF != bump:
        raise PoolRefused(f"the pool {address} has another authority, by its nonce {nonce}")
    return authority


def _require_no_orders(address: Pubkey, open_orders: Pubkey, accounts: Accounts) -> None:
    """Refuse a pool with funds in an order book: an earlier release counts them, this one not."""
    account = accounts.get(open_orders)
    if account is None or not account.data:
        return
    data = account.data
    if len(data) != _OPEN_ORDERS_LENGTH or not data.startswith(_OPEN_ORDERS_MARK):
        raise AccountRefused(f"the open orders {open_orders} of the pool {address} are malformed")
    totals = (
        int.from_bytes(data[offset : offset + 8], "little")
        for offset in (_COIN_TOTAL_AT, _PC_TOTAL_AT)
    )
    if any(totals):
        raise PoolRefused(f"the pool {address} has funds in an order book")


def _priced(address: Pubkey, reserves: tuple[int, int], fee: tuple[int, int]) -> AmmV4Pool:
    try:
        return AmmV4Pool(*reserves, *fee)
    except AmmError as error:
        raise PoolRefused(f"the pool {address} has an impossible fee: {error}") from error
