"""One transaction for a split of SOL, the largest one: it fits, if it must without spares."""

from uuid import UUID

import pytest
from solders.hash import Hash
from solders.pubkey import Pubkey

from orderengine.amm.amm_v4 import AmmV4Pool
from orderengine.amm.cpmm import CpmmFees
from orderengine.amm.dlmm import DlmmBin, DlmmPool
from orderengine.amm.dlmm_fee import StaticParameters, VariableParameters
from orderengine.domain.side import Asset, Side
from orderengine.solana.accounts import TOKEN_PROGRAM, WRAPPED_SOL
from orderengine.solana.pools import amm_v4, cpmm, dlmm
from orderengine.solana.pools.pool import Pool, Reserve
from orderengine.solana.transactions import (
    MAX_BYTES,
    Budget,
    Leg,
    Plan,
    TransactionTooLarge,
    message_of,
    unsigned,
)

ORDER_ID = UUID(int=7)
USDC = Pubkey.new_unique()
FREE = StaticParameters(0, 0, 0, 30, 600, 0, 0)
NEW = Pubkey.new_unique


def tokens() -> tuple[Reserve, Reserve]:
    """SOL and USDC in vaults of their own."""
    return (
        Reserve(WRAPPED_SOL, TOKEN_PROGRAM, 9, NEW(), 10**15),
        Reserve(USDC, TOKEN_PROGRAM, 6, NEW(), 10**15),
    )


def a_cpmm() -> Pool:
    reserves = (10**15, 10**15)
    return cpmm.LiveCpmm(
        NEW(), cpmm.MAINNET_PROGRAM, NEW(), NEW(), *tokens(), reserves, CpmmFees(2_500)
    )


def an_amm_v4() -> Pool:
    pool = AmmV4Pool(10**15, 10**15)
    return amm_v4.LiveAmmV4(
        NEW(), amm_v4.MAINNET_PROGRAM, NEW(), *tokens(), coin_first=True, pool=pool
    )


def a_dlmm(active_id: int = 35) -> Pool:
    """Three arrays of bins; 70 bins of a billion units each are in the first."""
    bins = [
        DlmmBin(id_, 10**9 if id_ >= active_id else 0, 10**9 if id_ <= active_id else 0)
        for id_ in range(-140, 210)
    ]
    arrays = dlmm.BinArrays(
        tuple((index, NEW()) for index in (0, -1, -2)), tuple((index, NEW()) for index in (0, 1, 2))
    )
    base, usdc = tokens()
    return dlmm.LiveDlmm(
        address=NEW(),
        program=dlmm.PROGRAM_ID,
        oracle=NEW(),
        extension=None,
        arrays=arrays,
        base=base,
        usdc=usdc,
        is_base_x=True,
        pool=DlmmPool(1, active_id, FREE, VariableParameters(), tuple(bins)),
        now_s=0,
    )


def size_of(side: Side, *pools: Pool, amount: int = 10**6) -> int:
    legs = [Leg(pool, amount, 10**12) for pool in pools]
    plan = Plan(ORDER_ID, 1, side, Asset.BASE, legs)
    message = message_of(plan, NEW(), Hash.default(), Budget(400_000, 1_000))
    return len(bytes(unsigned(message)))


@pytest.mark.parametrize("side", Side)
def test_a_split_of_sol_fits_without_the_arrays_that_only_a_moved_pool_needs(side: Side) -> None:
    """At a step of one basis point the spare arrays alone would make it too large."""
    for raydium in (a_cpmm(), an_amm_v4()):
        assert size_of(side, raydium, a_dlmm()) <= MAX_BYTES


@pytest.mark.parametrize("side", Side)
def test_a_swap_in_one_pool_keeps_its_spare_arrays(side: Side) -> None:
    size = size_of(side, a_dlmm())
    assert size <= MAX_BYTES
    assert size_of(side, a_cpmm()) < size


def test_a_split_that_meets_many_arrays_is_too_large() -> None:
    with pytest.raises(TransactionTooLarge, match="bytes are more than 1232"):
        size_of(Side.SELL, a_cpmm(), a_dlmm(), amount=120 * 10**9)
