"""Wrong or hostile bodies: each is refused by field and rule, none is stored."""

from collections.abc import Iterable
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.web import Web, rules

FULL_WIDTH_12 = "\uff11\uff12"
LONG_S = "\u017f"  # upper-cased it is an S


def object_text(pairs: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in pairs) + "}"


def order(**changed: str) -> bytes:
    """The text of an order whose fields are given as JSON text."""
    fields = {"symbol": '"AAPL"', "side": '"buy"', "quantity": "10", **changed}
    return object_text(fields.items()).encode()


def fields_of(field: str, *texts: tuple[str, str]) -> list[tuple[bytes, str, str]]:
    return [(order(**{field: text}), field, rule) for text, rule in texts]


NOT_JSON: list[tuple[bytes, str, str]] = [
    (b"", "body", "json"),
    (b"\0", "body", "json"),
    (b"{", "body", "json"),
    (b"symbol=AAPL&side=buy", "body", "json"),
    (b"<order/>", "body", "json"),
    (order() + order(), "body", "json"),
    (order()[:-1] + b",}", "body", "json"),
    (b"\xef\xbb\xbf\xef\xbb\xbf" + order(), "body", "json"),
    (order().decode().encode("utf-16"), "body", "utf8"),
    (order(symbol='"\xff"').replace("\xff".encode(), b"\xff"), "body", "utf8"),
    (order(symbol='"AAPL\n"'), "body", "json"),
    (order(quantity="1_0"), "body", "json"),
    (order(quantity="+1"), "body", "json"),
    (order(quantity="01"), "body", "json"),
    (order(quantity=".5"), "body", "json"),
    (order(quantity="5."), "body", "json"),
    (order(quantity="0x10"), "body", "json"),
    (order(quantity=FULL_WIDTH_12), "body", "json"),
    (order(quantity="sNaN"), "body", "json"),
    (order(quantity="NaN"), "quantity", "number"),
    (order(quantity="Infinity"), "quantity", "number"),
    (order(quantity="-Infinity"), "quantity", "number"),
    (order(slippageBps="[NaN]"), "slippageBps", "number"),
    (order(quantity="9" * 65), "quantity", "digits"),
    (order(quantity="0." + "0" * 4000 + "1"), "quantity", "digits"),
    (order(slippageBps="1" + "0" * 5000), "slippageBps", "digits"),
    (order()[:-1] + b',"side":"sell"}', "side", "duplicate"),
    (order()[:-1] + b',"s\\u0069de":"buy"}', "side", "duplicate"),
    (order(symbol='{"a":1,"a":1}'), "a", "duplicate"),
    (order(symbol='"AAPL\\u0000"'), "symbol", "text"),
    (order(symbol='"\\ud800"'), "symbol", "text"),
    (order(symbol='"\\udc00\\ud800"'), "symbol", "text"),
    (order(**{"x\\u0000": "1"}), "x\\x00", "text"),
    (order(**{"\\ud800": "1"}), "\\ud800", "text"),
    (b"[" * 8000, "body", "depth"),
    (b'{"a":' * 1600, "body", "depth"),
    (order(symbol="[" * 8 + "]" * 8), "body", "depth"),
    (order(symbol='{"":' * 8 + "1" + "}" * 8), "body", "depth"),
    (b"[]", "body", "object"),
    (b'["symbol","side","quantity"]', "body", "object"),
    (b'"order"', "body", "object"),
    (b"10", "body", "object"),
    (b"null", "body", "object"),
    (b"true", "body", "object"),
]

NOT_VALID: list[tuple[bytes, str, str]] = [
    *fields_of(
        "symbol",
        ("null", "type"),
        ("1", "type"),
        ("true", "type"),
        ('["AAPL"]', "type"),
        ('{"$ne":""}', "type"),
        ('""', "known"),
        ('"aap"', "known"),
        ('" AAPL"', "known"),
        ('"AAPL\\u0000"'.replace("\\u0000", "\\u200b"), "known"),
        (f'"{LONG_S}OL"', "known"),
        ('"AAPL\' OR 1=1 --"', "known"),
        ('"../../etc/passwd"', "known"),
        ('"' + "A" * 7000 + '"', "known"),
        ('"{self.__class__}"', "known"),
    ),
    *fields_of(
        "side",
        ("null", "type"),
        ("0", "type"),
        ("false", "type"),
        ("[]", "type"),
        ('""', "one_of"),
        ('"BUYS"', "one_of"),
        ('"buy "', "one_of"),
        ('"short"', "one_of"),
    ),
    *fields_of(
        "quantity",
        ("null", "type"),
        ("true", "type"),
        ("[10]", "type"),
        ('{"value":10}', "type"),
        ('""', "decimal"),
        ('" 1"', "decimal"),
        ('"1 "', "decimal"),
        ('"+1"', "decimal"),
        ('"1_000"', "decimal"),
        ('"1,000"', "decimal"),
        ('"1e2"', "decimal"),
        ('"0x10"', "decimal"),
        ('"sNaN"', "decimal"),
        ('"NaN"', "decimal"),
        ('"Infinity"', "decimal"),
        (f'"{FULL_WIDTH_12}"', "decimal"),
        ('"ten"', "decimal"),
        ('"1\\n"', "decimal"),
        ("1e999", "decimal"),
        ("1e1000000", "decimal"),
        ("1e-1000000", "decimal"),
        ('"' + "9" * 7000 + '"', "digits"),
        ("1e99", "digits"),
        ("0", "positive"),
        ("-0", "positive"),
        ("0.0", "positive"),
        ("-10", "positive"),
        ('"-0.000001"', "positive"),
        ("-1e99", "positive"),
        ("0.0000001", "min"),
        ("100000.000001", "max"),
        ("1e20", "max"),
        ("1.0000001", "step"),
    ),
    *fields_of(
        "slippageBps",
        ("true", "type"),
        ('"100"', "type"),
        ("[]", "type"),
        ("1.5", "integer"),
        ("100.0", "integer"),
        ("1e2", "integer"),
        ("-0", "integer"),
        ("-1", "range"),
        ("10001", "range"),
        ("9" * 60, "range"),
    ),
    *[
        (order(**{name: "1"}), name, "unknown")
        for name in ("Symbol", "slippage_bps", "orderId", "status", "__proto__", "_schema", "")
    ],
    (order(**{"\\u001b[2J": "1"}), "\\x1b[2J", "unknown"),
    (order(**{"\\u202e": "1"}), "\\u202e", "unknown"),
    (order(**{"k" * 7000: "1"}), "k" * 40 + "...", "unknown"),
    (b'{"side":"buy","quantity":10}', "symbol", "required"),
    (b'{"symbol":"AAPL","quantity":10}', "side", "required"),
    (b'{"symbol":"AAPL","side":"buy"}', "quantity", "required"),
]

HOSTILE = [(*case, "INVALID_JSON") for case in NOT_JSON] + [
    (*case, "VALIDATION_FAILED") for case in NOT_VALID
]


@cache
def web() -> Web:
    return Web()


@pytest.mark.parametrize(("body", "field", "rule", "code"), HOSTILE)
def test_a_hostile_body_is_refused_by_field_and_rule(
    body: bytes, field: str, rule: str, code: str
) -> None:
    answer = web().post(body)
    assert (answer.status_code, answer.get_json()["code"]) == (400, code)
    assert rules(answer) == [(field, rule)]
    assert len(answer.data) < 2000
    assert len(web().orders) == 0
    assert not web().publisher.published
    assert not web().dispatcher.sent


def test_there_are_enough_hostile_bodies_and_each_is_another_one() -> None:
    assert len({body for body, *_ in HOSTILE}) == len(HOSTILE) >= 80


def test_an_empty_object_is_told_all_that_is_missing() -> None:
    missing = [("symbol", "required"), ("side", "required"), ("quantity", "required")]
    assert rules(web().post(b"{}")) == missing


def test_a_flood_of_unknown_fields_gets_a_short_answer() -> None:
    flood = b"{" + b",".join(b'"%d":1' % number for number in range(1000)) + b"}"
    answer = web().post(flood)
    assert answer.status_code == 400
    assert len(rules(answer)) == 20


@given(st.binary(max_size=9000))
@example(b"[" * 8192)
@example(b'{"symbol":"AAPL","side":"buy","quantity":' + b"9" * 8000)
def test_no_bytes_whatever_bring_the_service_down(body: bytes) -> None:
    answer = web().post(body)
    assert answer.status_code in {400, 413}
    assert rules(answer)


JSON_TEXT = st.recursive(
    st.sampled_from(["null", "true", "10", "-0", "1e5", '"AAPL"', '"buy"', '"10"', '""', "NaN"])
    | st.integers().map(str)
    | st.floats().map(str),
    lambda inner: st.lists(inner, max_size=3).map(lambda texts: f"[{','.join(texts)}]"),
    max_leaves=4,
)
FIELDS = st.sampled_from(["symbol", "side", "quantity", "slippageBps", "x"])


@cache
def trading_web() -> Web:
    """An application that also accepts orders."""
    return Web()


@given(st.lists(st.tuples(FIELDS, JSON_TEXT), max_size=6))
def test_no_combination_of_fields_brings_the_service_down(pairs: list[tuple[str, str]]) -> None:
    before = len(trading_web().orders)
    answer = trading_web().post(object_text(pairs))
    assert answer.status_code in {202, 400}
    assert len(trading_web().orders) - before == (answer.status_code == 202)
