"""Quotes and instruments over HTTP."""

from decimal import Decimal
from typing import Any

import pytest

from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from tests.fakes import unavailable
from tests.web import INSTRUMENTS, Web, rules

QUERY = {"symbol": "AAPL", "side": "buy", "quantity": "10"}


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.mark.parametrize(("side", "best"), [("buy", "raydium"), ("sell", "meteora")])
def test_quotes_of_all_venues_are_compared_for_the_side(web: Web, side: str, best: str) -> None:
    answer = web.client.get("/api/quotes", query_string={**QUERY, "side": side})
    document = answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (document["symbol"], document["side"], document["quantity"]) == ("AAPL", side, "10")
    assert document["dex"] == best
    assert {quote["dex"]: quote["price"] for quote in document["quotes"]} == {
        "raydium": "230",
        "meteora": "237",
    }
    assert document["refusals"] == {}


def test_a_quote_has_the_limit_that_its_tolerance_sets(web: Web) -> None:
    document = web.client.get("/api/quotes", query_string={**QUERY, "slippageBps": "50"}).get_json()
    assert document["limitAmount"] == "2311500000"
    assert [quote["maxIn"] for quote in document["quotes"]] == ["2311500000", "2381850000"]
    selling = web.client.get("/api/quotes", query_string={**QUERY, "side": "sell"}).get_json()
    assert [quote["minOut"] for quote in selling["quotes"]] == ["2277000000", "2346300000"]


def test_the_choice_comes_with_its_reason(web: Web) -> None:
    document = web.client.get("/api/quotes", query_string=QUERY).get_json()
    assert document["routeReason"] == "BEST_PRICE"
    assert document["routeDetail"] == "raydium costs 70.000000 USDC (2.95 %) less than meteora"
    assert [leg["dex"] for leg in document["legs"]] == ["raydium"]


def test_a_split_is_shown_when_it_is_asked_for(web: Web) -> None:
    web.board.largest = {"raydium": 6_000_000, "meteora": 7_000_000}
    document = web.client.get("/api/quotes", query_string={**QUERY, "maxLegs": "2"}).get_json()
    assert document["dex"] == "raydium+meteora"
    assert [leg["baseAmount"] for leg in document["legs"]] == ["6000000", "4000000"]
    assert document["quotedPrice"] == "232.8"
    assert (document["quotes"], document["routeReason"]) == ([], "ONLY_SPLIT")
    assert set(document["refusals"]) == {"raydium", "meteora"}


def test_an_order_that_is_too_large_is_told_how_much_would_be_possible(web: Web) -> None:
    web.board.largest = {"raydium": 6_030_000, "meteora": 3_015_000}
    answer = web.client.get("/api/quotes", query_string=QUERY)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "INSUFFICIENT_LIQUIDITY")
    assert answer.get_json()["detail"] == (
        "the venues let you buy at most 6.000000 AAPL, or 9.000000 with maxLegs 2"
        " (raydium 6.000000, meteora 3.000000)"
    )


def test_a_venue_without_an_answer_is_named_beside_the_other_ones_quote(web: Web) -> None:
    web.board.answers["raydium"] = unavailable()
    document = web.client.get("/api/quotes", query_string=QUERY).get_json()
    assert document["dex"] == "meteora"
    assert document["refusals"] == {"raydium": "raydium gave no answer in time"}


def refuse(answer: Exception) -> dict[str, Decimal | Exception]:
    return {"raydium": answer, "meteora": answer}


@pytest.mark.parametrize(
    ("answers", "status", "code"),
    [
        (refuse(VenueUnavailable("time-out")), 503, "NO_QUOTE"),
        (
            refuse(OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, "too shallow")),
            422,
            "INSUFFICIENT_LIQUIDITY",
        ),
    ],
)
def test_no_quote_at_all_is_an_error(
    web: Web, answers: dict[str, Decimal | Exception], status: int, code: str
) -> None:
    web.board.answers = answers
    answer = web.client.get("/api/quotes", query_string=QUERY)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert rules(answer) == []
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"symbol": "XYZ"}, [("symbol", "known")]),
        ({"side": "hold"}, [("side", "one_of")]),
        ({"quantity": "0"}, [("quantity", "positive")]),
        ({"quantity": "1e2"}, [("quantity", "decimal")]),
        ({"quantity": "1000000000"}, [("quantity", "max")]),
        ({"quantity": ["1", "2"]}, [("quantity", "repeated")]),
        ({"slippageBps": "10001"}, [("slippageBps", "range")]),
        ({"maxLegs": "0"}, [("maxLegs", "range")]),
        ({"maxLegs": "3"}, [("maxLegs", "range")]),
        ({"maxLegs": "two"}, [("maxLegs", "integer")]),
        ({"worstPrice": "1"}, [("worstPrice", "unknown")]),
    ],
)
def test_a_query_for_quotes_is_checked_like_an_order(
    web: Web, changed: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    answer = web.client.get("/api/quotes", query_string={**QUERY, **changed})
    assert answer.status_code == 400
    assert rules(answer) == found
    assert web.board.asked == 0


def test_instruments_are_listed_with_the_limits_of_an_order(web: Web) -> None:
    listed = web.client.get("/api/instruments").get_json()["instruments"]
    assert [each["symbol"] for each in listed] == [each.symbol for each in INSTRUMENTS]
    assert listed[0] == {
        "symbol": "AAPL",
        "name": "Apple (tokenized)",
        "decimals": 6,
        "quantityStep": "0.000001",
        "minQuantity": "0.0001",
        "maxQuantity": "100000",
        "launched": False,
    }
