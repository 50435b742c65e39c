"""The pools of the embedded localnet: a constant product with one trade fee.

The program is this project's own, `orderengine/localnet/program`; its maths are those of
raydium-io/raydium-cp-swap 0.2.0 with the trade fee alone.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from orderengine.amm.cpmm import FEE_RATE_DENOMINATOR, CpmmFees, CpmmPool
from orderengine.domain.side import Side
from orderengine.market.curve_liquidity import CpmmLiquidity
from orderengine.solana.accounts import CLOCK, decode_clock
from orderengine.solana.pools.pool import (
    Accounts,
    Pair,
    Reserve,
    SwapTerms,
    is_base_first,
    key_at,
    owned_account,
    paid_and_got,
    read_reserve,
    readonly,
    require_started,
    signer,
    writable,
)
from orderengine.solana.refusals import PoolPaused, PoolRefused

PROGRAM_ID: Final = Pubkey.from_string("Loca1netPoo11111111111111111111111111111111")
PROGRAM_IDS: Final = frozenset({PROGRAM_ID})

POOL_MAGIC = b"oepool01"
POOL_LENGTH = 192
AUTHORITY_SEED = b"authority"
OPEN = 1

_LAYOUT = struct.Struct("<8sBB6x32s32s32s32sQq32x")
_INSTRUCTION = struct.Struct("<BQQ")
_EXACT_IN, _EXACT_OUT = 0, 1


@dataclass(frozen=True, slots=True)
class LocalnetPool:
    """A pool of the localnet; `fee_rate` is per 1e6."""

    address: Pubkey
    authority: Pubkey
    base: Reserve
    usdc: Reserve
    fee_rate: int
    kind: ClassVar[str] = "localnet"

    def liquidity(self, side: Side) -> CpmmLiquidity:
        """The prices of one side, with the base asset as the exact asset."""
        pool = CpmmPool(self.base.amount, self.usdc.amount, CpmmFees(trade=self.fee_rate))
        return CpmmLiquidity(pool, side, self.base.decimals)

    def swap_instructions(self, terms: SwapTerms) -> list[Instruction]:
        """The program's instruction: a tag, the exact amount, and the limit."""
        tag = _EXACT_IN if terms.is_input_exact else _EXACT_OUT
        paid, got = paid_and_got(self.base, self.usdc, terms.side)
        accounts: list[AccountMeta] = [
            signer(terms.user),
            *writable(terms.source, terms.destination),
            *readonly(self.address),
            *writable(paid.vault, got.vault),
            *readonly(self.authority, paid.mint, got.mint, paid.program, got.program),
        ]
        data = _INSTRUCTION.pack(tag, terms.amount, terms.limit)
        return [Instruction(PROGRAM_ID, data, accounts)]


@lru_cache(maxsize=4096)
def authority_of(address: Pubkey) -> tuple[Pubkey, int]:
    """The program address that owns a pool's vaults, and its bump."""
    return Pubkey.find_program_address([AUTHORITY_SEED, bytes(address)], PROGRAM_ID)


def encode(
    bump: int, pair: Pair, vaults: tuple[Pubkey, Pubkey], fee_rate: int, open_s: int = 0
) -> bytes:
    """The bytes of an open pool's account; the vaults are the base asset's and USDC's."""
    keys = (pair.base, pair.usdc, *vaults)
    return _LAYOUT.pack(POOL_MAGIC, bump, OPEN, *map(bytes, keys), fee_rate, open_s)


def wanted(address: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    """The mints, the vaults and the clock; raises AccountRefused if this is no pool."""
    data = owned_account(address, accounts, PROGRAM_IDS, POOL_MAGIC, POOL_LENGTH).data
    return (*(key_at(data, offset) for offset in (16, 48, 80, 112)), CLOCK)


def decode(address: Pubkey, pair: Pair, accounts: Accounts) -> LocalnetPool:
    """The pool; raises AccountRefused if it cannot be traded."""
    data = owned_account(address, accounts, PROGRAM_IDS, POOL_MAGIC, POOL_LENGTH).data
    _, bump, status, *keys, fee_rate, open_s = _LAYOUT.unpack(data)
    base_mint, usdc_mint, base_vault, usdc_vault = map(Pubkey.from_bytes, keys)
    if not is_base_first(address, pair, base_mint, usdc_mint):
        raise PoolRefused(f"the pool {address} has USDC as its base asset")
    if status != OPEN:
        raise PoolPaused(f"the pool {address} is paused")
    require_started(address, open_s, decode_clock(accounts.get(CLOCK)))
    authority, expected_bump = authority_of(address)
    if bump != expected_bump or fee_rate >= FEE_RATE_DENOMINATOR:
        raise PoolRefused(f"the pool {address} has a wrong bump or fee")
    base = read_reserve(address, base_mint, base_vault, accounts)
    usdc = read_reserve(address, usdc_mint, usdc_vault, accounts)
    if not (base.amount and usdc.amount):
        raise PoolRefused(f"the pool {address} is empty")
    return LocalnetPool(address, authority, base, usdc, fee_rate)
