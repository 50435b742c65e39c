"""The localnet's pools: golden accounts and instructions, refusals, and any bytes at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta
from solders.pubkey import Pubkey

from generators.layouts import TOKEN, key
from orderengine.domain.side import Asset, Side
from orderengine.solana.accounts import CLOCK, Account
from orderengine.solana.pools import localnet, registry
from orderengine.solana.pools.pool import Pair, SwapTerms
from orderengine.solana.refusals import AccountRefused, PoolNotOpen, PoolPaused, PoolRefused
from tests.solana_pools import (
    BASE,
    BASE_VAULT,
    NOW_S,
    PAIR,
    POOL,
    USDC,
    USDC_VAULT,
    Known,
    a_localnet_pool,
    changed,
)


def test_a_pool_is_what_its_accounts_tell() -> None:
    pool = localnet.decode(POOL, PAIR, a_localnet_pool(7, 11))
    assert (pool.base.amount, pool.usdc.amount, pool.fee_rate) == (7, 11, 2_500)
    liquidity = pool.liquidity(Side.SELL)
    assert (liquidity.pool.reserve_x, liquidity.pool.reserve_y) == (7, 11)
    assert liquidity.pool.fees.trade == 2_500


def test_what_is_encoded_is_decoded() -> None:
    accounts = a_localnet_pool()
    bump = localnet.authority_of(POOL)[1]
    data = localnet.encode(bump, PAIR, (BASE_VAULT, USDC_VAULT), 2_500)
    assert accounts[POOL] == Account(localnet.PROGRAM_ID, data)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("exact", Asset)
def test_the_bytes_of_an_instruction(side: Side, exact: Asset) -> None:
    pool = localnet.decode(POOL, PAIR, a_localnet_pool())
    given_terms = SwapTerms(key(20), key(21), key(22), side, exact, amount=1_000, limit=77)
    (built,) = pool.swap_instructions(given_terms)
    tokens = [(BASE_VAULT, BASE), (USDC_VAULT, USDC)]
    (paid_vault, paid), (got_vault, got) = tokens if side is Side.SELL else tokens[::-1]
    expected = [
        (key(20), "s"),
        (key(21), "w"),
        (key(22), "w"),
        (POOL, ""),
        (paid_vault, "w"),
        (got_vault, "w"),
        (localnet.authority_of(POOL)[0], ""),
        (paid, ""),
        (got, ""),
        (TOKEN, ""),
        (TOKEN, ""),
    ]
    assert built.accounts == [
        AccountMeta(address, "s" in flags, "w" in flags) for address, flags in expected
    ]
    is_exact_in = (side is Side.SELL) is (exact is Asset.BASE)
    tag = b"\x00" if is_exact_in else b"\x01"
    assert built.data == tag + (1_000).to_bytes(8, "little") + (77).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("accounts", "kind", "reason"),
    [
        (a_localnet_pool(status=0), PoolPaused, "is paused"),
        (a_localnet_pool(open_time=NOW_S + 1), PoolNotOpen, "is not open"),
        (a_localnet_pool(bump=1), PoolRefused, "a wrong bump or fee"),
        (a_localnet_pool(fee_rate=10**6), PoolRefused, "a wrong bump or fee"),
        (a_localnet_pool(base=0), PoolRefused, "is empty"),
        (a_localnet_pool(usdc_mint=key(99)), PoolRefused, "another pair"),
        (changed(a_localnet_pool(), POOL, data=bytes(192)), AccountRefused, "of another kind"),
    ],
)
def test_a_pool_that_cannot_be_traded_is_refused_by_name(
    accounts: Known, kind: type[AccountRefused], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        localnet.decode(POOL, PAIR, accounts)


def test_a_pool_with_usdc_as_its_base_asset_is_refused() -> None:
    with pytest.raises(PoolRefused, match="USDC as its base asset"):
        localnet.decode(POOL, Pair(USDC, BASE), a_localnet_pool())


def test_the_owner_of_a_pool_tells_its_program() -> None:
    assert registry.program_of(POOL, a_localnet_pool()[POOL]) is localnet
    for wrong in (None, Account(TOKEN, bytes(192))):
        with pytest.raises(AccountRefused, match=f"the pool {POOL} "):
            registry.program_of(POOL, wrong)


@given(st.integers(0, 192), st.binary(max_size=64), st.sampled_from([POOL, BASE_VAULT, CLOCK]))
def test_any_bytes_are_decoded_or_refused(start: int, drawn: bytes, address: Pubkey) -> None:
    accounts = a_localnet_pool()
    account = accounts[address]
    assert account is not None
    mixed = account.data[:start] + drawn + account.data[start + len(drawn) :]
    accounts[address] = Account(account.owner, mixed)
    try:
        localnet.wanted(POOL, accounts)
        pool = localnet.decode(POOL, PAIR, accounts)
    except AccountRefused:
        return
    assert len(mixed) == len(account.data)
    pool.liquidity(Side.BUY)
