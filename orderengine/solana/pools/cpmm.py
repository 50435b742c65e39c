"""Raydium CPMM: its accounts and its two swap instructions.

Source: raydium-io/raydium-cp-swap 0.2.0 (609780f), `states/pool.rs`, `states/config.rs` and
`instructions/swap_base_input.rs`.
"""

import struct
from dataclasses import dataclass
from typing import ClassVar, Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from orderengine.amm.cpmm import CpmmFees, CpmmPool, CreatorFeeOn
from orderengine.amm.errors import AmmError
from orderengine.domain.side import Side
from orderengine.market.curve_liquidity import CpmmLiquidity
from orderengine.solana.accounts import CLOCK, decode_clock
from orderengine.solana.pools.pool import (
    Accounts,
    Pair,
    Reserve,
    SwapTerms,
    is_base_first,
    owned_account,
    paid_and_got,
    read_reserve,
    readonly,
    require_started,
    signer,
    writable,
)
from orderengine.solana.refusals import PoolPaused, PoolRefused

MAINNET_PROGRAM: Final = Pubkey.from_string("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C")
DEVNET_PROGRAM: Final = Pubkey.from_string("DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb")
PROGRAM_IDS: Final = frozenset({MAINNET_PROGRAM, DEVNET_PROGRAM})

# The first 8 bytes of the SHA-256 of `account:<name>` and `global:<name>`, as Anchor has them.
POOL_DISCRIMINATOR = bytes.fromhex("f7ede3f5d7c3de46")
CONFIG_DISCRIMINATOR = bytes.fromhex("daf42168cbcb2b6f")
SWAP_BASE_INPUT = bytes.fromhex("8fbe5adac41e33de")
SWAP_BASE_OUTPUT = bytes.fromhex("37d96256a34ab4ad")

POOL_LENGTH = 637
CONFIG_LENGTH = 236
AUTHORITY_SEED = b"vault_and_lp_mint_auth_seed"
SWAP_DISABLED = 0b100

_KEYS = struct.Struct("<8x" + 10 * "32s")
_STATE = struct.Struct("<BBBBB8xQQQQQ8xBB6xQQ")  # at _STATE_AT
_STATE_AT = 328
_RATES = struct.Struct("<QQQ")  # at _RATES_AT
_RATES_AT = 12
_CREATOR_RATE_AT = 108
_CREATOR_FEE_ON = {0: CreatorFeeOn.INPUT, 1: CreatorFeeOn.X, 2: CreatorFeeOn.Y}
_SWAPPED = {CreatorFeeOn.X: CreatorFeeOn.Y, CreatorFeeOn.Y: CreatorFeeOn.X}


@dataclass(frozen=True, slots=True)
class LiveCpmm:
    """A pool of the program `program`; `fees` take the base asset for X, and USDC for Y.

    `reserves` are the vaults' base units without the fees kept there: the base asset's and USDC's.
    """

    address: Pubkey
    program: Pubkey
    config: Pubkey
    observation: Pubkey
    base: Reserve
    usdc: Reserve
    reserves: tuple[int, int]
    fees: CpmmFees
    kind: ClassVar[str] = "cpmm"

    def liquidity(self, side: Side) -> CpmmLiquidity:
        """The prices of one side, with the base asset as the exact asset."""
        pool = CpmmPool(*self.reserves, self.fees)
        return CpmmLiquidity(pool, side, self.base.decimals, is_careful=True)

    def swap_instructions(self, terms: SwapTerms) -> list[Instruction]:
        """`swap_base_input` or `swap_base_output`: the amount paid comes first in both."""
        paid, got = paid_and_got(self.base, self.usdc, terms.side)
        data = (
            SWAP_BASE_INPUT + struct.pack("<QQ", terms.amount, terms.limit)
            if terms.is_input_exact
            else SWAP_BASE_OUTPUT + struct.pack("<QQ", terms.limit, terms.amount)
        )
        accounts: list[AccountMeta] = [
            signer(terms.user),
            *readonly(authority_of(self.program), self.config),
            *writable(self.address, terms.source, terms.destination, paid.vault, got.vault),
            *readonly(paid.program, got.program, paid.mint, got.mint),
            *writable(self.observation),
        ]
        return [Instruction(self.program, data, accounts)]


def authority_of(program: Pubkey) -> Pubkey:
    """The program address that owns all vaults."""
    return Pubkey.find_program_address([AUTHORITY_SEED], program)[0]


def wanted(address: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    """The configuration, the mints, the vaults and the clock; raises AccountRefused."""
    pool = owned_account(address, accounts, PROGRAM_IDS, POOL_DISCRIMINATOR, POOL_LENGTH)
    keys = _keys(pool.data)
    return (keys.config, *keys.mints, *keys.vaults, CLOCK)


def decode(address: Pubkey, pair: Pair, accounts: Accounts) -> LiveCpmm:
    """The pool; raises AccountRefused if it cannot be traded."""
    pool = owned_account(address, accounts, PROGRAM_IDS, POOL_DISCRIMINATOR, POOL_LENGTH)
    keys, state = _keys(pool.data), _State(*_STATE.unpack_from(pool.data, _STATE_AT))
    base_first = is_base_first(address, pair, *keys.mints)
    if state.status & SWAP_DISABLED:
        raise PoolPaused(f"the pool {address} is paused")
    require_started(address, state.open_s, decode_clock(accounts.get(CLOCK)))
    config = _config(keys.config, accounts, pool.owner)
    fees = _fees(address, config, state, is_base_first=base_first)
    tokens = [
        read_reserve(address, mint, vault, accounts)
        for mint, vault in zip(keys.mints, keys.vaults, strict=True)
    ]
    left = [token.amount - kept for token, kept in zip(tokens, state.kept, strict=True)]
    if min(left) <= 0:
        raise PoolRefused(f"the pool {address} is empty")
    if not base_first:
        tokens.reverse()
        left.reverse()
    return LiveCpmm(
        address=address,
        program=pool.owner,
        config=keys.config,
        observation=keys.observation,
        base=tokens[0],
        usdc=tokens[1],
        reserves=(left[0], left[1]),
        fees=fees,
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    config: Pubkey
    vaults: tuple[Pubkey, Pubkey]
    mints: tuple[Pubkey, Pubkey]
    observation: Pubkey


@dataclass(frozen=True, slots=True)
class _State:
    auth_bump: int
    status: int
    lp_decimals: int
    decimals_0: int
    decimals_1: int
    protocol_0: int
    protocol_1: int
    fund_0: int
    fund_1: int
    open_s: int
    creator_fee_on: int
    has_creator_fee: int
    creator_0: int
    creator_1: int

    @property
    def kept(self) -> tuple[int, int]:
        """The fees in the vaults that belong to others, of both tokens."""
        return (
            self.protocol_0 + self.fund_0 + self.creator_0,
            self.protocol_1 + self.fund_1 + self.creator_1,
        )


def _keys(data: bytes) -> _Keys:
    found = [Pubkey.from_bytes(each) for each in _KEYS.unpack_from(data)]
    return _Keys(
        config=found[0],
        vaults=(found[2], found[3]),
        mints=(found[5], found[6]),
        observation=found[9],
    )


def _config(address: Pubkey, accounts: Accounts, program: Pubkey) -> bytes:
    owners = frozenset({program})
    return owned_account(address, accounts, owners, CONFIG_DISCRIMINATOR, CONFIG_LENGTH).data


def _fees(address: Pubkey, data: bytes, state: _State, *, is_base_first: bool) -> CpmmFees:
    trade, protocol, fund = _RATES.unpack_from(data, _RATES_AT)
    (creator,) = struct.unpack_from("<Q", data, _CREATOR_RATE_AT)
    fee_on = _CREATOR_FEE_ON.get(state.creator_fee_on)
    if fee_on is None:
        raise PoolRefused(f"the pool {address} has an unknown kind of creator fee")
    if not is_base_first:
        fee_on = _SWAPPED.get(fee_on, fee_on)
    try:
        return CpmmFees(trade, protocol, fund, creator if state.has_creator_fee else 0, fee_on)
    except AmmError as error:
        raise PoolRefused(f"the pool {address} has impossible fees: {error}") from error
