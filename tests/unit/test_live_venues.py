"""Live venues: quotes from the chain's accounts, refusals by name, and reference prices."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from generators.layouts import key
from orderengine.domain.documents import quote_document, quote_from
from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument, TokenProgram
from orderengine.domain.side import Side
from orderengine.solana.accounts import TOKEN_2022_PROGRAM
from orderengine.solana.pools import localnet
from orderengine.solana.reader import KEPT_S
from orderengine.venues.live import LivePrices, LiveVenue
from tests.fake_chain import CHAIN_S, Desk, a_desk, listed
from tests.fakes import START
from tests.solana_pools import (
    BASE,
    BASE_VAULT,
    POOL,
    USDC,
    USDC_VAULT,
    Known,
    a_localnet_pool,
    a_mint,
    a_vault,
)


def venue_of(desk: Desk, name: str = "raydium") -> LiveVenue:
    return LiveVenue(name, desk.reader)


def test_a_quote_tells_pool_kind_slot_and_time() -> None:
    quote = venue_of(a_desk()).offer(listed(), Side.BUY).quote(10**9, 50)
    assert (quote.venue, quote.pool, quote.pool_kind) == ("raydium", str(POOL), "localnet")
    assert (quote.slot, quote.quoted_at) == (1_000, START)
    assert quote.expires_at == START + timedelta(seconds=5)
    assert quote.mid_price == 100
    # ceil(ceil(10^11 * 10^9 / (10^12 - 10^9)) / 0.9975), by hand
    assert quote.quote_amount == 100_350_979
    assert quote_from(quote_document(quote)) == quote


def test_a_live_pool_trades_as_much_as_it_can_at_any_tolerance() -> None:
    offer = venue_of(a_desk()).offer(listed(), Side.BUY)
    assert offer.largest(0) == offer.largest(5_000) == 10**12 // 3


def test_both_sides_of_all_venues_come_from_one_read() -> None:
    desk = a_desk()
    instrument = listed("raydium", "meteora")
    venue_of(desk).offer(instrument, Side.BUY)
    before = len(desk.chain.reads)
    desk.pass_time(2 * KEPT_S)
    for name in ("raydium", "meteora"):
        for side in Side:
            venue_of(desk, name).offer(instrument, side)
    assert len(desk.chain.reads) == before + 1


@pytest.mark.parametrize(
    ("accounts", "instrument", "reason"),
    [
        (a_localnet_pool(), listed("meteora"), "raydium has no pool of AAPL"),
        (a_localnet_pool(), listed(decimals=8), "has 9 decimals, and the instrument file says 8"),
        (a_localnet_pool(), listed(pool=key(99)), "does not exist"),
        (
            a_localnet_pool()
            | {
                BASE: a_mint(9, TOKEN_2022_PROGRAM),
                BASE_VAULT: a_vault(BASE, 10**12, TOKEN_2022_PROGRAM),
            },
            listed(),
            "belongs to another token program",
        ),
    ],
)
def test_a_pool_that_cannot_be_traded_is_refused_by_name(
    accounts: Known, instrument: Instrument, reason: str
) -> None:
    with pytest.raises(OrderUnfillable, match=reason) as refused:
        venue_of(a_desk(accounts)).offer(instrument, Side.BUY)
    assert refused.value.reason is FailureReason.INSUFFICIENT_LIQUIDITY


def test_a_pool_that_is_not_open_says_so() -> None:
    desk = a_desk(a_localnet_pool(open_time=CHAIN_S + 60))
    with pytest.raises(OrderUnfillable, match=r"raydium: .* is not open") as refused:
        venue_of(desk).offer(listed(), Side.BUY)
    assert refused.value.reason is FailureReason.NOT_OPEN


def test_a_paused_pool_and_a_silent_node_may_come_back() -> None:
    with pytest.raises(VenueUnavailable, match="is paused"):
        venue_of(a_desk(a_localnet_pool(status=0))).offer(listed(), Side.BUY)
    desk = a_desk()
    desk.chain.down = "the node is down"
    with pytest.raises(VenueUnavailable, match="the node is down"):
        venue_of(desk).offer(listed(), Side.BUY)


def test_the_reference_price_is_that_of_the_deepest_pool() -> None:
    """The other pool is at another price, and has less USDC."""
    values: dict[str, Any] = {"bump": localnet.authority_of(key(40))[1], "base_vault": key(41)}
    small = a_localnet_pool(usdc_vault=key(42), **values)[POOL]
    accounts = a_localnet_pool() | {
        key(40): small,
        key(41): a_vault(BASE, 10**9),
        key(42): a_vault(USDC, 10**10),
    }
    instrument = replace(listed(), pools={"raydium": str(POOL), "meteora": str(key(40))})
    seen = LivePrices(a_desk(accounts).reader).seen(instrument)
    assert (seen.price, seen.at) == (Decimal(100), START)
    alone = replace(listed(), pools={"meteora": str(key(40))})
    assert LivePrices(a_desk(accounts).reader).price(alone) == 10_000


def test_without_a_pool_there_is_no_reference_price() -> None:
    with pytest.raises(VenueUnavailable, match="no pool tells the price of AAPL"):
        LivePrices(a_desk(a_localnet_pool(status=0)).reader).price(listed())


def test_reference_prices_of_many_leave_out_those_that_no_pool_tells() -> None:
    prices = LivePrices(a_desk().reader)
    known, unknown = listed(), replace(listed(pool=key(99)), symbol="TSLA")
    assert prices.seen_all([]) == []
    (seen, none) = prices.seen_all([known, unknown])
    assert none is None
    assert seen == prices.seen(known)


def test_a_launched_instrument_opens_with_its_first_pool() -> None:
    launched = replace(listed(), launched=True)
    closed = a_localnet_pool(open_time=CHAIN_S + 60)
    assert LivePrices(a_desk(closed).reader).opens_at(launched) == datetime.fromtimestamp(
        CHAIN_S + 60, UTC
    )
    assert LivePrices(a_desk().reader).opens_at(launched) is None
    silent = a_desk(closed)
    silent.chain.down = "down"
    assert LivePrices(silent.reader).opens_at(launched) is None
    assert LivePrices(a_desk(closed).reader).opens_at(listed()) is None


def test_a_mint_of_the_other_program_is_taken_if_the_file_says_so() -> None:
    accounts = a_localnet_pool() | {
        BASE: a_mint(9, TOKEN_2022_PROGRAM),
        BASE_VAULT: a_vault(BASE, 10**12, TOKEN_2022_PROGRAM),
        USDC_VAULT: a_localnet_pool()[USDC_VAULT],
    }
    instrument = replace(listed(), token_program=TokenProgram.TOKEN_2022)
    assert venue_of(a_desk(accounts)).offer(instrument, Side.SELL).largest(0) == 10**12
