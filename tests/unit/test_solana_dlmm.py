"""Meteora DLMM: golden accounts and instructions, bins across arrays, refusals, and any bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta
from solders.pubkey import Pubkey

from generators.layouts import TOKEN, anchor, key
from orderengine.amm.dlmm import DlmmBin
from orderengine.amm.dlmm_fee import CollectFeeMode, StaticParameters, VariableParameters
from orderengine.domain.side import Asset, Side
from orderengine.solana.accounts import CLOCK
from orderengine.solana.pools import dlmm
from orderengine.solana.pools.dlmm_arrays import ahead, indexes
from orderengine.solana.pools.pool import SwapTerms
from orderengine.solana.refusals import AccountRefused, PoolNotOpen, PoolPaused, PoolRefused
from tests.solana_pools import (
    AROUND_ZERO,
    BASE,
    BASE_VAULT,
    NOW_S,
    ORACLE,
    PAIR,
    POOL,
    USDC,
    USDC_VAULT,
    Known,
    a_dlmm_pool,
    an_array,
    an_extension,
    array_at,
    changed,
    extension_at,
    lengths,
    with_any_bytes,
)

MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
PROGRAM = Pubkey.from_string("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo")
EVENTS = Pubkey.from_string("D1ZN9Wj1fRSUQfCjhvnu1hqDMT7hzjzBBpi12nVniYD6")
"""The event authority, as explorers show it in swaps on mainnet."""


def test_a_pool_is_what_its_accounts_tell() -> None:
    live = dlmm.decode(POOL, PAIR, a_dlmm_pool(collect_fee_mode=1, base_fee_power_factor=2))
    assert live.pool.bin_step == 25
    assert live.pool.active_id == 0
    assert live.pool.bins == tuple(DlmmBin(id_, *AROUND_ZERO[id_]) for id_ in (-1, 0, 1))
    assert live.pool.volatility == VariableParameters(11_000, 7_000, -3, NOW_S - 10)
    assert live.pool.parameters == StaticParameters(
        base_factor=8_000,
        variable_fee_control=7_500,
        max_volatility_accumulator=350_000,
        filter_period_s=30,
        decay_period_s=600,
        reduction_factor_bps=5_000,
        protocol_share_bps=500,
        base_fee_power_factor=2,
        collect_fee_mode=CollectFeeMode.ONLY_Y,
    )
    assert (live.now_s, live.oracle, live.kind) == (NOW_S, ORACLE, "dlmm")


def test_the_arrays_are_wanted_that_are_next_to_the_active_bin() -> None:
    """The active bin is in the array -1, which is empty; three arrays ahead on each side."""
    bins = {70 * index: (1, 1) for index in (-9, -7, -4, -2, 0, 3, 4, 5, 8)}
    accounts = a_dlmm_pool(bins, active_id=-1)
    near = [array_at(index) for index in (-2, -4, -7, 0, 3, 4)]
    assert dlmm.wanted(POOL, {POOL: accounts[POOL]}) == (
        BASE,
        USDC,
        BASE_VAULT,
        USDC_VAULT,
        extension_at(),
        *near,
        CLOCK,
    )
    live = dlmm.decode(POOL, PAIR, accounts)
    assert [each.id // 70 for each in live.pool.bins] == [-7, -4, -2, 0, 3, 4]


def test_arrays_far_away_are_in_the_other_bitmap() -> None:
    own = (1 | 1 << 1023).to_bytes(128, "little")
    extension = an_extension(positive=1 | 1 << 6143, negative=0b11 | 1 << 6143)
    assert indexes(own, extension.data) == [-6656, -514, -513, -512, 511, 512, 6655]
    assert ahead([-3, 0, 5], 0, 2, falling=True) == [0, -3]
    assert ahead([-3, 0, 5], 0, 9, falling=False) == [0, 5]
    assert ahead([-3, 5], 0, 9, falling=False) == [5]


def test_a_bitmap_is_read_before_its_arrays_are_wanted() -> None:
    far = a_dlmm_pool({0: (0, 1)}, bin_step=1) | {extension_at(): an_extension(positive=1)}
    assert array_at(512) not in dlmm.wanted(POOL, {POOL: far[POOL]})
    assert array_at(512) in dlmm.wanted(POOL, far)
    live = dlmm.decode(POOL, PAIR, far | {array_at(512): an_array(512, {512 * 70: (9, 0)})})
    assert [each.id for each in live.pool.bins] == [0, 512 * 70]
    assert live.extension == extension_at()


def named_accounts(*, flipped: bool) -> list[tuple[str, Pubkey, str]]:
    """The accounts of `swap2` in the order of the IDL, then the arrays of bins."""
    tokens = [(BASE, BASE_VAULT), (USDC, USDC_VAULT)]
    (mint_x, vault_x), (mint_y, vault_y) = reversed(tokens) if flipped else tokens
    return [
        ("lb_pair", POOL, "w"),
        ("bin_array_bitmap_extension", PROGRAM, ""),
        ("reserve_x", vault_x, "w"),
        ("reserve_y", vault_y, "w"),
        ("user_token_in", key(21), "w"),
        ("user_token_out", key(22), "w"),
        ("token_x_mint", mint_x, ""),
        ("token_y_mint", mint_y, ""),
        ("oracle", ORACLE, "w"),
        ("host_fee_in", PROGRAM, ""),
        ("user", key(20), "s"),
        ("token_x_program", TOKEN, ""),
        ("token_y_program", TOKEN, ""),
        ("memo_program", MEMO, ""),
        ("event_authority", EVENTS, ""),
        ("program", PROGRAM, ""),
        ("active bin", array_at(0), "w"),
        ("bins beside it", array_at(-1), "w"),
    ]


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("with_bitmap", [False, True])
@pytest.mark.parametrize(
    ("side", "exact", "name", "numbers"),
    [
        (Side.SELL, Asset.BASE, "swap2", (1_000, 77)),
        (Side.BUY, Asset.BASE, "swap_exact_out2", (77, 1_000)),
        (Side.BUY, Asset.QUOTE, "swap2", (1_000, 77)),
        (Side.SELL, Asset.QUOTE, "swap_exact_out2", (77, 1_000)),
    ],
)
def test_the_bytes_of_an_instruction(
    side: Side,
    exact: Asset,
    name: str,
    numbers: tuple[int, int],
    *,
    with_bitmap: bool,
    flipped: bool,
) -> None:
    """The bitmap beside the pool's own is named only with arrays that are in it."""
    accounts = a_dlmm_pool(flipped=flipped)
    if with_bitmap:
        accounts[extension_at()] = an_extension()
    live = dlmm.decode(POOL, PAIR, accounts)
    terms = SwapTerms(key(20), key(21), key(22), side, exact, amount=1_000, limit=77)
    (built,) = live.swap_instructions(terms)
    assert built.program_id == PROGRAM
    assert built.accounts == [
        AccountMeta(address, "s" in flags, "w" in flags)
        for _, address, flags in named_accounts(flipped=flipped)
    ]
    assert built.data == anchor("global", name) + b"".join(
        number.to_bytes(8, "little") for number in numbers
    ) + bytes(4)


def named(live: dlmm.LiveDlmm, side: Side, usdc: int, *, is_tight: bool = False) -> list[Pubkey]:
    """The arrays that a swap for so much USDC names."""
    keys = key(1), key(2), key(3)
    terms = SwapTerms(*keys, side, Asset.QUOTE, usdc, limit=10**9, is_tight=is_tight)
    (built,) = live.swap_instructions(terms)
    return [each.pubkey for each in built.accounts[16:]]


def test_a_swap_names_the_arrays_that_it_meets_and_those_within_a_percent() -> None:
    """At a step of 1 bp a percent is 100 bins, but no more than one array is added."""
    bins = {-70 * number: (0, 1_000) for number in range(3)} | {70: (1_000, 0), 140: (1_000, 0)}
    live = dlmm.decode(POOL, PAIR, a_dlmm_pool(bins, bin_step=1))
    assert named(live, Side.SELL, 500) == [array_at(index) for index in (0, -1, 1)]
    assert named(live, Side.SELL, 1_500) == [array_at(index) for index in (0, -1, -2, 1)]
    assert named(live, Side.BUY, 500) == [array_at(index) for index in (0, 1, 2, -1)]
    wide = dlmm.decode(POOL, PAIR, a_dlmm_pool(bins, bin_step=100, active_id=-1))
    assert named(wide, Side.SELL, 500) == [array_at(index) for index in (-1, -2, 0)]


def test_tight_terms_name_the_arrays_alone_that_the_swap_meets() -> None:
    bins = {-70 * number: (0, 1_000) for number in range(3)} | {70: (1_000, 0)}
    live = dlmm.decode(POOL, PAIR, a_dlmm_pool(bins, bin_step=1))
    assert named(live, Side.SELL, 500, is_tight=True) == [array_at(0)]
    assert named(live, Side.SELL, 1_500, is_tight=True) == [array_at(0), array_at(-1)]


def test_the_bitmap_is_named_with_an_array_that_only_it_has() -> None:
    first = 512 * 70
    accounts = a_dlmm_pool({0: (0, 1)}, bin_step=1, active_id=first) | {
        extension_at(): an_extension(positive=1),
        array_at(512): an_array(512, {first: (0, 10**6)}),
    }
    live = dlmm.decode(POOL, PAIR, accounts)
    terms = SwapTerms(key(1), key(2), key(3), Side.SELL, Asset.QUOTE, 5, limit=10**9)
    (built,) = live.swap_instructions(terms)
    assert built.accounts[1] == AccountMeta(extension_at(), is_signer=False, is_writable=True)


@pytest.mark.parametrize(
    ("accounts", "kind", "reason"),
    [
        (a_dlmm_pool(status=1), PoolPaused, "is paused"),
        (
            a_dlmm_pool(pair_type=2, activation_type=1, activation_point=NOW_S + 1),
            PoolNotOpen,
            "is not open",
        ),
        (
            a_dlmm_pool(pair_type=1, activation_type=0, activation_point=10**6),
            PoolNotOpen,
            "is not open",
        ),
        (a_dlmm_pool(collect_fee_mode=2), PoolRefused, "cannot be priced"),
        (a_dlmm_pool(reduction_factor=10_001), PoolRefused, "cannot be priced"),
        (a_dlmm_pool(bin_step=0), PoolRefused, "cannot be priced"),
        (a_dlmm_pool(token_y_mint=key(99)), PoolRefused, "another pair"),
        (changed(a_dlmm_pool(), POOL, owner=key(9)), AccountRefused, "another program"),
        (changed(a_dlmm_pool(), POOL, data=bytes(904)), AccountRefused, "of another kind"),
        (
            changed(a_dlmm_pool(), POOL, data=anchor("account", "LbPair")),
            AccountRefused,
            "8 bytes, not 904",
        ),
        ({**a_dlmm_pool(), array_at(0): None}, AccountRefused, "does not exist"),
        ({**a_dlmm_pool(), array_at(0): an_array(1, {})}, AccountRefused, "others than the pool"),
        (
            {**a_dlmm_pool(), array_at(0): an_array(0, {}, pool=key(9))},
            AccountRefused,
            "others than the pool",
        ),
        (
            {**a_dlmm_pool(), extension_at(): an_extension(pool=key(9))},
            AccountRefused,
            "belongs to another pool",
        ),
    ],
)
def test_a_pool_that_cannot_be_traded_is_refused_by_name(
    accounts: Known, kind: type[AccountRefused], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        dlmm.decode(POOL, PAIR, accounts)


@pytest.mark.parametrize("is_ask", [0, 1])
def test_limit_orders_are_sold_where_they_take_part(is_ask: int) -> None:
    """By the pool's function, or if that is not determined, unless it has rewards."""
    one_order: dict[str, Any] = {
        "open_order_amount": 5,
        "processed_order_remaining_amount": 7,
        "limit_order_ask_side": is_ask,
    }
    resting = {array_at(0): an_array(0, AROUND_ZERO, **one_order)}
    empty = (0, 0)
    sold = ((7, 5), empty) if is_ask else (empty, (7, 5))
    for changes, told in (
        ({"function_type": 0}, sold),
        ({"function_type": 1}, (empty, empty)),
        ({"function_type": 2, "reward_mint_0": key(5)}, sold),
        ({"reward_mint_1": key(5)}, (empty, empty)),
    ):
        live = dlmm.decode(POOL, PAIR, a_dlmm_pool(**changes) | resting)
        assert live.pool.bins[1] == DlmmBin(0, *AROUND_ZERO[0], *told)


def test_a_pool_that_started_by_slot_or_time_trades() -> None:
    for accounts in (
        a_dlmm_pool(pair_type=1, activation_type=0, activation_point=77),
        a_dlmm_pool(pair_type=2, activation_type=1, activation_point=NOW_S),
        a_dlmm_pool(pair_type=0, activation_type=0, activation_point=10**6),
    ):
        assert dlmm.decode(POOL, PAIR, accounts).pool.bin_step == 25


@given(st.data())
def test_any_bytes_are_decoded_or_refused(data: st.DataObject) -> None:
    whole = {**a_dlmm_pool(), extension_at(): an_extension()}
    near = (array_at(0), array_at(-1))
    accounts = with_any_bytes(data, whole, POOL, *near, extension_at(), CLOCK)
    try:
        dlmm.wanted(POOL, accounts)
        live = dlmm.decode(POOL, PAIR, accounts)
    except AccountRefused:
        return
    assert lengths(accounts) == lengths(whole)
    live.liquidity(Side.SELL)
