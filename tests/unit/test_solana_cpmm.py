"""Raydium CPMM: golden accounts and instructions, refusals, and any bytes at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta
from solders.pubkey import Pubkey

from generators.layouts import TOKEN, anchor, key
from orderengine.amm.cpmm import CpmmFees, CreatorFeeOn
from orderengine.domain.side import Asset, Side
from orderengine.solana.accounts import CLOCK
from orderengine.solana.pools import cpmm
from orderengine.solana.pools.pool import Pair, SwapTerms
from orderengine.solana.refusals import AccountRefused, PoolNotOpen, PoolPaused, PoolRefused
from tests.solana_pools import (
    BASE,
    BASE_VAULT,
    CONFIG,
    NOW_S,
    OBSERVATION,
    PAIR,
    POOL,
    USDC,
    USDC_VAULT,
    Known,
    a_cpmm_pool,
    a_vault,
    changed,
    lengths,
    with_any_bytes,
)

AUTHORITY = Pubkey.from_string("GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL")
"""The authority of all pools on mainnet, as explorers show it."""


def terms(side: Side, exact: Asset) -> SwapTerms:
    return SwapTerms(key(20), key(21), key(22), side, exact, amount=1_000, limit=77)


def test_the_reserves_leave_out_the_fees_of_others() -> None:
    kept: dict[str, Any] = {
        "protocol_fees_token_0": 1,
        "fund_fees_token_0": 20,
        "creator_fees_token_0": 300,
    }
    kept |= {"protocol_fees_token_1": 4, "fund_fees_token_1": 50, "creator_fees_token_1": 600}
    pool = cpmm.decode(POOL, PAIR, a_cpmm_pool(1_000, 2_000, **kept))
    assert (pool.base.amount, pool.usdc.amount) == (1_000, 2_000)
    assert pool.reserves == (1_000 - 321, 2_000 - 654)
    assert pool.fees == CpmmFees(2_500, 120_000, 40_000)
    assert (pool.base.decimals, pool.usdc.decimals, pool.kind) == (9, 6, "cpmm")


def test_a_pool_with_usdc_first_has_the_same_prices() -> None:
    rates = {"creator_fee_rate": 1_000}
    fees: dict[str, Any] = {"enable_creator_fee": 1, "protocol_fees_token_0": 7}
    straight = cpmm.decode(POOL, PAIR, a_cpmm_pool(rates=rates, creator_fee_on=1, **fees))
    flipped = cpmm.decode(
        POOL, PAIR, a_cpmm_pool(flipped=True, rates=rates, creator_fee_on=1, **fees)
    )
    assert straight.fees.creator_fee_on is CreatorFeeOn.X
    assert flipped.fees.creator_fee_on is CreatorFeeOn.Y
    assert straight.reserves == (10**12 - 7, 10**11)
    assert flipped.reserves == (10**12, 10**11 - 7)
    assert flipped.base.vault == straight.base.vault == BASE_VAULT


@pytest.mark.parametrize(("enabled", "rate"), [(0, 0), (1, 5_000)])
def test_a_creator_fee_counts_where_the_pool_takes_it(enabled: int, rate: int) -> None:
    accounts = a_cpmm_pool(rates={"creator_fee_rate": 5_000}, enable_creator_fee=enabled)
    assert cpmm.decode(POOL, PAIR, accounts).fees.creator == rate


def test_all_other_accounts_of_a_pool_are_named() -> None:
    accounts = a_cpmm_pool()
    only = {POOL: accounts[POOL]}
    wanted = cpmm.wanted(POOL, only)
    assert wanted == (CONFIG, BASE, USDC, BASE_VAULT, USDC_VAULT, CLOCK)
    assert set(wanted) | {POOL} == set(accounts)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(
    ("side", "exact", "name", "numbers"),
    [
        (Side.SELL, Asset.BASE, "swap_base_input", (1_000, 77)),
        (Side.BUY, Asset.BASE, "swap_base_output", (77, 1_000)),
        (Side.BUY, Asset.QUOTE, "swap_base_input", (1_000, 77)),
        (Side.SELL, Asset.QUOTE, "swap_base_output", (77, 1_000)),
    ],
)
def test_the_bytes_of_an_instruction(
    side: Side, exact: Asset, name: str, numbers: tuple[int, int], *, flipped: bool
) -> None:
    """The accounts of `Swap` in the order of the program's source."""
    pool = cpmm.decode(POOL, PAIR, a_cpmm_pool(flipped=flipped))
    (built,) = pool.swap_instructions(terms(side, exact))
    tokens = [(BASE_VAULT, BASE), (USDC_VAULT, USDC)]
    (paid_vault, paid), (got_vault, got) = tokens if side is Side.SELL else tokens[::-1]
    expected = [
        ("payer", key(20), "s"),
        ("authority", AUTHORITY, ""),
        ("amm_config", CONFIG, ""),
        ("pool_state", POOL, "w"),
        ("input_token_account", key(21), "w"),
        ("output_token_account", key(22), "w"),
        ("input_vault", paid_vault, "w"),
        ("output_vault", got_vault, "w"),
        ("input_token_program", TOKEN, ""),
        ("output_token_program", TOKEN, ""),
        ("input_token_mint", paid, ""),
        ("output_token_mint", got, ""),
        ("observation_state", OBSERVATION, "w"),
    ]
    assert built.program_id == Pubkey.from_string("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C")
    assert built.accounts == [
        AccountMeta(address, "s" in flags, "w" in flags) for _, address, flags in expected
    ]
    assert built.data == anchor("global", name) + b"".join(
        number.to_bytes(8, "little") for number in numbers
    )


@pytest.mark.parametrize(
    ("accounts", "kind", "reason"),
    [
        (a_cpmm_pool(status=4), PoolPaused, "is paused"),
        (a_cpmm_pool(open_time=NOW_S + 1), PoolNotOpen, "is not open"),
        (a_cpmm_pool(open_time=2**64 - 1), PoolNotOpen, "is not open"),
        (a_cpmm_pool(creator_fee_on=3), PoolRefused, "unknown kind of creator fee"),
        (a_cpmm_pool(rates={"trade_fee_rate": 10**6}), PoolRefused, "impossible fees"),
        (a_cpmm_pool(base=5, fund_fees_token_0=5), PoolRefused, "is empty"),
        (a_cpmm_pool(token_0_mint=key(99)), PoolRefused, "another pair"),
        ({**a_cpmm_pool(), BASE_VAULT: a_vault(USDC, 5)}, AccountRefused, "another token"),
        ({**a_cpmm_pool(), USDC_VAULT: a_vault(USDC, 5, state=2)}, PoolRefused, "is frozen"),
        ({**a_cpmm_pool(), CONFIG: None}, AccountRefused, "does not exist"),
        (changed(a_cpmm_pool(), POOL, owner=key(9)), AccountRefused, "another program"),
        (changed(a_cpmm_pool(), CONFIG, owner=key(9)), AccountRefused, "another program"),
        (changed(a_cpmm_pool(), POOL, data=bytes(637)), AccountRefused, "of another kind"),
        (changed(a_cpmm_pool(), POOL, data=b"1"), AccountRefused, "has 1 bytes, not 637"),
    ],
)
def test_a_pool_that_cannot_be_traded_is_refused_by_name(
    accounts: Known, kind: type[AccountRefused], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        cpmm.decode(POOL, PAIR, accounts)


def test_a_pool_that_is_only_closed_for_deposits_trades() -> None:
    assert cpmm.decode(POOL, PAIR, a_cpmm_pool(status=3)).reserves == (10**12, 10**11)


def test_the_time_of_opening_is_told_where_it_is_one() -> None:
    with pytest.raises(PoolNotOpen) as refused:
        cpmm.decode(POOL, PAIR, a_cpmm_pool(open_time=NOW_S + 60))
    assert refused.value.opens_at.timestamp() == NOW_S + 60


def test_a_pool_of_another_pair_is_refused() -> None:
    with pytest.raises(PoolRefused, match="another pair"):
        cpmm.decode(POOL, Pair(key(98), USDC), a_cpmm_pool())


@given(st.data())
def test_any_bytes_are_decoded_or_refused(data: st.DataObject) -> None:
    """Never another error, and never an account of a wrong length."""
    whole = a_cpmm_pool()
    accounts = with_any_bytes(data, whole, POOL, CONFIG, BASE_VAULT, BASE, CLOCK)
    try:
        cpmm.wanted(POOL, accounts)
        pool = cpmm.decode(POOL, PAIR, accounts)
    except AccountRefused:
        return
    assert lengths(accounts) == lengths(whole)
    assert min(pool.reserves) > 0
    pool.liquidity(Side.BUY)
