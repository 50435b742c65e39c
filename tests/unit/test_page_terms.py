"""The page knows the types of orders and the reasons of failures as the domain has them."""

import re

from orderengine.api.routes.page import STATIC_DIR
from orderengine.domain.errors import FailureReason
from orderengine.domain.terms import RULES, OrderType, TimeInForce

TERMS = (STATIC_DIR / "js" / "terms.js").read_text("utf-8")
REASONS = (STATIC_DIR / "js" / "reasons.js").read_text("utf-8")
ROW = re.compile(r"^  (\w+): \{ fields: \[(.*?)\], times: \[(.*?)\] \},$", re.MULTILINE)


def names(text: str) -> list[str]:
    return re.findall(r'"(\w+)"', text)


def test_each_type_has_its_fields_and_times_on_the_page() -> None:
    rows = {name: (names(fields), names(times)) for name, fields, times in ROW.findall(TERMS)}
    assert list(rows) == list(OrderType)
    for kind, (fields, times) in rows.items():
        rules = RULES[OrderType(kind)]
        # The limit of a limit order is enough: the page leaves its tolerance out.
        assert set(rules.needed) <= set(fields) <= {*rules.needed, *rules.optional}
        # FOK is the same as IOC.
        assert times == [each for each in rules.times_in_force if each is not TimeInForce.FOK]


def test_each_type_has_a_place_in_the_ticket() -> None:
    page = (STATIC_DIR / "index.html").read_text("utf-8")
    assert re.findall(r'name="type" value="(\w+)"', page) == list(OrderType)


def test_each_reason_has_words_on_the_page() -> None:
    worded = re.findall(r"^  ([A-Z_]+): \"[^\"]+\",$", REASONS, re.MULTILINE)
    assert set(FailureReason) <= set(worded)
