"""The events of an order that waits, in words."""

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from orderengine.cli.events import code_of, telling
from orderengine.cli.terms import terms_in_words
from orderengine.domain.moves import Trigger
from orderengine.domain.order import NewOrder
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce, TriggerOn
from orderengine.stream.messages import event_text
from tests.builders import A_REST, A_TRIGGER, NOT_FILLED, a_limit, an_amend
from tests.fakes import START, FakeOrders
from tests.steps import CONFIRMED

UNTIL = START + timedelta(days=1)


def told(orders: FakeOrders, order: NewOrder) -> list[str]:
    return [
        telling(json.loads(event_text(event)))
        for event in orders.events(order.order_id)
        if event.status.value not in {"routing", "building"}
    ]


def moved(orders: FakeOrders, order: NewOrder, *moves: Any) -> None:
    for move in moves:
        stored = orders.get(order.order_id)
        assert stored is not None
        assert orders.move(order.order_id, stored.version, move) is not None, move


def test_each_step_of_a_limit_order_is_told() -> None:
    orders, order = FakeOrders(), a_limit()
    orders.accept(order)
    moved(orders, order, an_amend(), A_TRIGGER, CONFIRMED[0], A_REST, A_TRIGGER, *CONFIRMED)
    assert told(orders, order) == [
        "at 240 USDC or better, until canceled",
        "amended: 10 at 250 USDC or better, until canceled",
        "triggered: 225 USDC at raydium",
        "rests: PRICE_LIMIT: the price has left",
        "triggered: 225 USDC at raydium",
        "tx 5sig",
        "executed at 230.1, slippage 0.043478 % (positive is worse), fee 5.7525 USDC",
    ]


def test_a_cancel_that_comes_too_late_is_told() -> None:
    orders, order = FakeOrders(), a_limit()
    orders.accept(order)
    moved(orders, order, A_TRIGGER, *CONFIRMED[:3])
    assert orders.cancel(order.client_id, order.order_id) is not None
    moved(orders, order, CONFIRMED[3])
    *_, requested, confirmed = told(orders, order)
    assert requested == "cancel requested: the network decides"
    assert confirmed.endswith("fee 5.7525 USDC; too late to cancel")


def test_the_ends_without_a_fill_are_told() -> None:
    ends: Mapping[str, tuple[str, dict[str, str]]] = {
        "": ("canceled", {}),
        "the transaction can not land any more": (
            "canceled",
            {"detail": "the transaction can not land any more"},
        ),
        "its time has passed": ("expired", {}),
        "NOT_FILLED: no venue has a price (NO_QUOTE)": (
            "expired",
            {**json.loads(json.dumps(dict(NOT_FILLED.data)))},
        ),
    }
    for words, (status, data) in ends.items():
        assert telling({"status": status, "data": data}) == words
        assert code_of(status) == 1


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (
            {"type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(210)},
            "once the price is 210 USDC or above, until canceled",
        ),
        (
            {"type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(210)}
            | {"side": Side.SELL, "worst_price": Decimal(200)},
            "once the price is 210 USDC or below, at 200 USDC at worst, until canceled",
        ),
        (
            {"type": OrderType.SNIPER, "limit_price": None, "min_liquidity": Decimal(0)}
            | {"trigger_on": TriggerOn.POOL_OPENED, "worst_price": Decimal(2)}
            | {"time_in_force": TimeInForce.GTD, "expires_at": UNTIL},
            "once a pool is open, at 2 USDC at worst, until AT",
        ),
        (
            {"type": OrderType.SNIPER, "limit_price": None, "min_liquidity": Decimal(5000)}
            | {"trigger_on": TriggerOn.LIQUIDITY_ADDED, "worst_price": Decimal(2)}
            | {"time_in_force": TimeInForce.GTD, "expires_at": UNTIL},
            "once a pool is open with at least 5000 USDC, at 2 USDC at worst, until AT",
        ),
        ({"time_in_force": TimeInForce.IOC}, "at 240 USDC or better, in one try"),
        ({"type": OrderType.MARKET, "limit_price": None, "worst_price": Decimal(9)}, ""),
    ],
)
def test_the_terms_of_each_type_are_told(terms: dict[str, Any], words: str) -> None:
    order = a_limit(**terms)
    assert terms_in_words(order.data) == words.replace("AT", "2026-11-23T12:00:00.000000Z")


def test_the_amended_terms_of_a_sniper_are_told() -> None:
    data = {"quantity": "5", "minLiquidity": "7000", "worstPrice": "2", "timeInForce": "GTD"}
    assert telling({"status": "waiting", "data": data}) == (
        "amended: 5 once a pool is open with at least 7000 USDC, at 2 USDC at worst"
    )


def test_an_amended_amount_in_usdc_is_told() -> None:
    data = {"quoteQuantity": "1500", "limitPrice": "99", "timeInForce": "GTC"}
    assert telling({"status": "waiting", "data": data}) == (
        "amended: 1500 USDC at 99 USDC or better, until canceled"
    )


def test_a_start_without_a_price_is_told() -> None:
    data = dict(Trigger(source="raydium").data)
    assert telling({"status": "pending", "data": data}) == "triggered at raydium"
