"""Bodies that nobody has listed: floods, random bytes and random fields."""

from collections.abc import Iterable
from functools import cache

from hypothesis import example, given
from hypothesis import strategies as st

from tests.web import Web, rules


def object_text(pairs: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in pairs) + "}"


@cache
def web() -> Web:
    return Web()


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
