"""Meteora DLMM: its accounts and its two swap instructions.

Source: MeteoraAg/dlmm-sdk, program 0.12.0 (fb02e51), `idls/dlmm.json`: `LbPair`, `swap2` and
`swap_exact_out2`; `commons/src/quote.rs` for what makes a pool swap at all.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from orderengine.amm.dlmm import DlmmBin, DlmmPool
from orderengine.amm.dlmm_fee import CollectFeeMode, StaticParameters, VariableParameters
from orderengine.amm.errors import AmmError
from orderengine.domain.side import Asset, Side
from orderengine.market.bin_liquidity import DlmmLiquidity
from orderengine.solana.accounts import CLOCK, MEMO_PROGRAM, Account, Clock, decode_clock
from orderengine.solana.pools.dlmm_arrays import (
    BINS_PER_ARRAY,
    ahead,
    array_address,
    array_of,
    bins_of,
    extension_address,
    extension_data,
    indexes,
    is_beyond_own_bitmap,
)
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
from orderengine.solana.refusals import PoolPaused, PoolRefused

PROGRAM_ID: Final = Pubkey.from_string("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo")
PROGRAM_IDS: Final = frozenset({PROGRAM_ID})

PAIR_DISCRIMINATOR = bytes.fromhex("210b3162b565b10d")
SWAP_2 = bytes.fromhex("414b3f4ceb5b5b88")
SWAP_EXACT_OUT_2 = bytes.fromhex("2bd7f784893cf351")
PAIR_LENGTH = 904
EVENT_AUTHORITY_SEED = b"__event_authority"
ARRAYS_AHEAD = 3
"""How many arrays of bins are read on each side, that of the active bin included."""
MARGIN_BPS = 100
"""How far a pool may move before a swap lands, for the arrays of bins that it names."""
SLOT_S = 0.4

_PARAMETERS = struct.Struct("<HHHHIIiiHBBB3x")  # at 8
_VOLATILITY = struct.Struct("<IIi4xq8x")  # at 40
_STATE = struct.Struct("<3xBiHBxxxB")  # at 72
_MINTS_AT, _RESERVES_AT, _REWARDS_AT, _ORACLE_AT = 88, 152, 264, 552
_BITMAP_AT, _BITMAP_LENGTH, _ACTIVATION_AT = 584, 128, 816
_REWARD_LENGTH = 144

_ENABLED = 0
_LATE_STARTERS = {1, 2}  # `Permission` and `CustomizablePermissionless`
_BY_SLOT = 0
_UNDETERMINED, _WITH_ORDERS = 0, 2
_NO_ACCOUNTS = bytes(4)  # an empty list of further accounts, for transfer hooks


@dataclass(frozen=True, slots=True)
class BinArrays:
    """The addresses of the arrays ahead, by their indexes: for falling and for rising ids."""

    falling: tuple[tuple[int, Pubkey], ...]
    rising: tuple[tuple[int, Pubkey], ...]


@dataclass(frozen=True, slots=True)
class LiveDlmm:
    """A pool at `now_s`; `extension` is None for a pool that has no further bitmap."""

    address: Pubkey
    program: Pubkey
    oracle: Pubkey
    extension: Pubkey | None
    arrays: BinArrays
    base: Reserve
    usdc: Reserve
    is_base_x: bool
    pool: DlmmPool
    now_s: int
    kind: ClassVar[str] = "dlmm"

    def liquidity(self, side: Side) -> DlmmLiquidity:
        """The prices of one side, with the base asset as the exact asset."""
        return DlmmLiquidity(
            self.pool, side, self.base.decimals, self.now_s, is_base_x=self.is_base_x
        )

    def swap_instructions(self, terms: SwapTerms) -> list[Instruction]:
        """`swap2` or `swap_exact_out2`: the amount paid comes first in both.

        Raises AmmError if the bins that were read cannot make the swap.
        """
        arrays = self._arrays_for(terms)
        is_far = any(is_beyond_own_bitmap(index) for index, _ in arrays)
        numbers = (terms.amount, terms.limit)
        data = (
            SWAP_2 + struct.pack("<QQ", *numbers)
            if terms.is_input_exact
            else SWAP_EXACT_OUT_2 + struct.pack("<QQ", *reversed(numbers))
        )
        x, y = (self.base, self.usdc) if self.is_base_x else (self.usdc, self.base)
        absent = readonly(self.program)
        accounts: list[AccountMeta] = [
            *writable(self.address),
            *(writable(self.extension) if self.extension and is_far else absent),
            *writable(x.vault, y.vault, terms.source, terms.destination),
            *readonly(x.mint, y.mint),
            *writable(self.oracle),
            *absent,
            signer(terms.user),
            *readonly(x.program, y.program, MEMO_PROGRAM),
            *readonly(event_authority(self.program), self.program),
            *writable(*(each for _, each in arrays)),
        ]
        return [Instruction(self.program, data + _NO_ACCOUNTS, accounts)]

    def _arrays_for(self, terms: SwapTerms) -> list[tuple[int, Pubkey]]:
        """The arrays that the swap meets, also if the pool moves a little before it lands.

        Those behind the active bin come last. Tight terms name those alone that it meets now.
        """
        liquidity = self.liquidity(terms.side)
        if terms.exact is Asset.QUOTE:
            liquidity = liquidity.in_usdc()
        active, last = self.pool.active_id, liquidity.swap(terms.amount).pool.active_id
        margin = min(-(-MARGIN_BPS // self.pool.bin_step), BINS_PER_ARRAY)
        if terms.is_tight:
            margin = 0
        lowest = array_of(min(active, last) - margin)
        highest = array_of(max(active, last) + margin)
        pays_x = (terms.side is Side.SELL) is self.is_base_x
        falling, rising = self.arrays.falling, self.arrays.rising
        in_turn = dict((*falling, *rising) if pays_x else (*rising, *falling))
        return [(index, each) for index, each in in_turn.items() if lowest <= index <= highest]


def event_authority(program: Pubkey) -> Pubkey:
    """The program address that the program's events are sent with."""
    return Pubkey.find_program_address([EVENT_AUTHORITY_SEED], program)[0]


def wanted(address: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    """The mints, the reserves, the bitmap and the arrays around the active bin, and the clock.

    Arrays that only the bitmap tells are wanted once it was read. Raises AccountRefused.
    """
    account = _account(address, accounts)
    arrays = _arrays(address, account, accounts)
    return (
        *(key_at(account.data, offset) for offset in (88, 120, 152, 184)),
        extension_address(address, account.owner),
        *dict.fromkeys(each for _, each in (*arrays.falling, *arrays.rising)),
        CLOCK,
    )


def decode(address: Pubkey, pair: Pair, accounts: Accounts) -> LiveDlmm:
    """The pool; raises AccountRefused if it cannot be traded."""
    account = _account(address, accounts)
    data, program = account.data, account.owner
    mints = key_at(data, _MINTS_AT), key_at(data, _MINTS_AT + 32)
    is_base_x = is_base_first(address, pair, *mints)
    clock = decode_clock(accounts.get(CLOCK))
    _require_swapping(address, data, clock)
    tokens = [
        read_reserve(address, mint, key_at(data, _RESERVES_AT + 32 * number), accounts)
        for number, mint in enumerate(mints)
    ]
    arrays = _arrays(address, account, accounts)
    listed = dict((*arrays.falling, *arrays.rising))
    with_orders = _sells_orders(data)
    bins = [
        each
        for index in sorted(listed)
        for each in bins_of(
            address, listed[index], index, accounts, program, with_orders=with_orders
        )
    ]
    extension = extension_address(address, program)
    return LiveDlmm(
        address=address,
        program=program,
        oracle=key_at(data, _ORACLE_AT),
        extension=None if accounts.get(extension) is None else extension,
        arrays=arrays,
        base=tokens[0] if is_base_x else tokens[1],
        usdc=tokens[1] if is_base_x else tokens[0],
        is_base_x=is_base_x,
        pool=_priced(address, data, bins),
        now_s=clock.unix_s,
    )


def _account(address: Pubkey, accounts: Accounts) -> Account:
    return owned_account(address, accounts, PROGRAM_IDS, PAIR_DISCRIMINATOR, PAIR_LENGTH)


def _arrays(address: Pubkey, account: Account, accounts: Accounts) -> BinArrays:
    data, program = account.data, account.owner
    extension = extension_data(address, extension_address(address, program), accounts, program)
    known = indexes(data[_BITMAP_AT : _BITMAP_AT + _BITMAP_LENGTH], extension)
    active = array_of(_STATE.unpack_from(data, 72)[1])
    sides = [
        tuple(
            (index, array_address(address, program, index))
            for index in ahead(known, active, ARRAYS_AHEAD, falling=falling)
        )
        for falling in (True, False)
    ]
    return BinArrays(*sides)


def _require_swapping(address: Pubkey, data: bytes, clock: Clock) -> None:
    pair_type, _, _, status, activation = _STATE.unpack_from(data, 72)
    if status != _ENABLED:
        raise PoolPaused(f"the pool {address} is paused")
    if pair_type not in _LATE_STARTERS:
        return
    (point,) = struct.unpack_from("<Q", data, _ACTIVATION_AT)
    if activation == _BY_SLOT:
        point = clock.unix_s + int((point - clock.slot) * SLOT_S) if point > clock.slot else 0
    require_started(address, point, clock)


def _priced(address: Pubkey, data: bytes, bins: Sequence[DlmmBin]) -> DlmmPool:
    static, volatility = _PARAMETERS.unpack_from(data, 8), _VOLATILITY.unpack_from(data, 40)
    _, active_id, bin_step, *_ = _STATE.unpack_from(data, 72)
    try:
        return DlmmPool(
            bin_step=bin_step,
            active_id=active_id,
            parameters=StaticParameters(
                base_factor=static[0],
                filter_period_s=static[1],
                decay_period_s=static[2],
                reduction_factor_bps=static[3],
                variable_fee_control=static[4],
                max_volatility_accumulator=static[5],
                protocol_share_bps=static[8],
                base_fee_power_factor=static[9],
                collect_fee_mode=CollectFeeMode(static[11]),
            ),
            volatility=VariableParameters(*volatility),
            bins=tuple(bins),
        )
    except (AmmError, ValueError) as error:
        raise PoolRefused(f"the pool {address} cannot be priced: {error}") from error


def _sells_orders(data: bytes) -> bool:
    """Whether limit orders in the bins take part in swaps.

    Source: MeteoraAg/dlmm-sdk `is_support_limit_order`.
    """
    function_type: int = _PARAMETERS.unpack_from(data, 8)[10]
    if function_type != _UNDETERMINED:
        return function_type == _WITH_ORDERS
    mints = (_REWARDS_AT, _REWARDS_AT + _REWARD_LENGTH)
    return all(not any(data[offset : offset + 32]) for offset in mints)
