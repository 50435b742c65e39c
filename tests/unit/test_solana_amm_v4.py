"""Raydium AMM v4: golden accounts and instructions, refusals, and any bytes at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta
from solders.pubkey import Pubkey

from generators.layouts import TOKEN, key
from orderengine.amm.amm_v4 import AmmV4Pool
from orderengine.domain.side import Asset, Side
from orderengine.solana.accounts import CLOCK, TOKEN_2022_PROGRAM, Account
from orderengine.solana.pools import amm_v4
from orderengine.solana.pools.pool import SwapTerms
from orderengine.solana.refusals import AccountRefused, PoolNotOpen, PoolPaused, PoolRefused
from tests.solana_pools import (
    BASE,
    BASE_VAULT,
    NOW_S,
    OPEN_ORDERS_ADDRESS,
    PAIR,
    POOL,
    USDC,
    USDC_VAULT,
    Known,
    a_mint,
    a_vault,
    an_amm_v4_pool,
    changed,
    lengths,
    open_orders,
    with_any_bytes,
)

AUTHORITY = Pubkey.from_string("5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1")
"""The authority of all pools on mainnet, as explorers show it."""


@pytest.mark.parametrize("flipped", [False, True])
def test_the_reserves_leave_out_the_profit_that_is_due(*, flipped: bool) -> None:
    due = {"need_take_pnl_coin": 3, "need_take_pnl_pc": 50}
    pool = amm_v4.decode(POOL, PAIR, an_amm_v4_pool(1_000, 2_000, flipped=flipped, **due))
    left = (950, 1_997) if flipped else (997, 1_950)
    assert pool.pool == AmmV4Pool(*left, 25, 10_000)
    assert (pool.base.vault, pool.usdc.vault) == (BASE_VAULT, USDC_VAULT)
    assert (pool.kind, pool.liquidity(Side.BUY).kind) == ("amm_v4", "amm_v4")


def test_all_other_accounts_of_a_pool_are_named() -> None:
    accounts = an_amm_v4_pool()
    wanted = amm_v4.wanted(POOL, {POOL: accounts[POOL]})
    assert wanted == (BASE, USDC, BASE_VAULT, USDC_VAULT, OPEN_ORDERS_ADDRESS, CLOCK)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(
    ("side", "exact", "tag", "numbers"),
    [
        (Side.SELL, Asset.BASE, 9, (1_000, 77)),
        (Side.BUY, Asset.BASE, 11, (77, 1_000)),
        (Side.BUY, Asset.QUOTE, 9, (1_000, 77)),
        (Side.SELL, Asset.QUOTE, 11, (77, 1_000)),
    ],
)
def test_the_bytes_of_an_instruction(
    side: Side, exact: Asset, tag: int, numbers: tuple[int, int], *, flipped: bool
) -> None:
    """The 17 accounts of `swap_base_in`, the pool in the places of the order book's."""
    pool = amm_v4.decode(POOL, PAIR, an_amm_v4_pool(flipped=flipped))
    terms = SwapTerms(key(20), key(21), key(22), side, exact, amount=1_000, limit=77)
    (built,) = pool.swap_instructions(terms)
    coin, pc = (USDC_VAULT, BASE_VAULT) if flipped else (BASE_VAULT, USDC_VAULT)
    expected = [
        ("spl token", TOKEN, ""),
        ("amm", POOL, "w"),
        ("amm authority", AUTHORITY, ""),
        ("amm open orders", POOL, "w"),
        ("coin vault", coin, "w"),
        ("pc vault", pc, "w"),
        *(("order book", POOL, "w") for _ in range(8)),
        ("user source", key(21), "w"),
        ("user destination", key(22), "w"),
        ("user", key(20), "s"),
    ]
    assert built.program_id == amm_v4.MAINNET_PROGRAM
    assert built.accounts == [
        AccountMeta(address, "s" in flags, "w" in flags) for _, address, flags in expected
    ]
    assert built.data == bytes([tag]) + b"".join(each.to_bytes(8, "little") for each in numbers)


@pytest.mark.parametrize(
    ("accounts", "kind", "reason"),
    [
        (an_amm_v4_pool(status=4), PoolPaused, "its status is 4"),
        (an_amm_v4_pool(status=0), PoolPaused, "its status is 0"),
        (an_amm_v4_pool(status=7, pool_open_time=NOW_S + 1), PoolNotOpen, "is not open"),
        (an_amm_v4_pool(nonce=1), PoolRefused, "another authority, by its nonce 1"),
        (an_amm_v4_pool(swap_fee_numerator=10_000), PoolRefused, "an impossible fee"),
        (an_amm_v4_pool(swap_fee_denominator=0), PoolRefused, "an impossible fee"),
        (an_amm_v4_pool(usdc=9, need_take_pnl_pc=9), PoolRefused, "is empty"),
        (an_amm_v4_pool(pc_vault_mint=key(99)), PoolRefused, "another pair"),
        (changed(an_amm_v4_pool(), POOL, owner=key(9)), AccountRefused, "another program"),
        (changed(an_amm_v4_pool(), POOL, data=bytes(751)), AccountRefused, "not 752"),
        (
            an_amm_v4_pool()
            | {
                BASE: a_mint(9, TOKEN_2022_PROGRAM),
                BASE_VAULT: a_vault(BASE, 10**12, TOKEN_2022_PROGRAM),
            },
            PoolRefused,
            "a mint of Token-2022",
        ),
        *(
            (
                {**an_amm_v4_pool(status=status), OPEN_ORDERS_ADDRESS: open_orders(**{total: 1})},
                PoolRefused,
                "has funds in an order book",
            )
            for status in (1, 6)
            for total in ("native_coin_total", "native_pc_total")
        ),
        (
            {**an_amm_v4_pool(), OPEN_ORDERS_ADDRESS: Account(key(77), b"serum")},
            AccountRefused,
            "are malformed",
        ),
    ],
)
def test_a_pool_that_cannot_be_traded_is_refused_by_name(
    accounts: Known, kind: type[AccountRefused], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        amm_v4.decode(POOL, PAIR, accounts)


@pytest.mark.parametrize("status", [1, 6, 7])
def test_a_pool_without_funds_in_an_order_book_trades(status: int) -> None:
    accounts = an_amm_v4_pool(status=status) | {OPEN_ORDERS_ADDRESS: open_orders()}
    assert amm_v4.decode(POOL, PAIR, accounts).pool.reserve_x == 10**12


@given(st.data())
def test_any_bytes_are_decoded_or_refused(data: st.DataObject) -> None:
    whole = {**an_amm_v4_pool(), OPEN_ORDERS_ADDRESS: open_orders()}
    accounts = with_any_bytes(data, whole, POOL, OPEN_ORDERS_ADDRESS, USDC_VAULT)
    try:
        amm_v4.wanted(POOL, accounts)
        pool = amm_v4.decode(POOL, PAIR, accounts)
    except AccountRefused:
        return
    expected = lengths(whole)
    assert lengths(accounts) in (expected, expected | {OPEN_ORDERS_ADDRESS: 0})
    pool.liquidity(Side.SELL)
