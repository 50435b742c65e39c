"""Strict JSON: accepted texts, and what refusals tell; `tests/corpus` has the refused texts."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.api.validation.strict_json import JsonNumber, parse_object, shown
from orderengine.domain.json_rules import MAX_DEPTH


def nested(levels: int) -> bytes:
    inner = levels - 1
    return b'{"a":' + b"[" * inner + b"]" * inner + b"}"


@pytest.mark.parametrize("literal", ["10", "-0", "0.10", "1e2", "1.5E-7", "9" * 64])
def test_a_number_stays_as_it_was_written(literal: str) -> None:
    assert parse_object(f'{{"a":{literal}}}'.encode()) == {"a": JsonNumber(literal)}


def test_other_values_are_what_json_says() -> None:
    body = ' {"s":"é\\u00e9\\ud83d\\ude00","t":true,"f":false,"n":null,"l":[1,{}],"":0} '
    assert parse_object(body.encode()) == {
        "s": "éé\U0001f600",
        "t": True,
        "f": False,
        "n": None,
        "l": [JsonNumber("1"), {}],
        "": JsonNumber("0"),
    }


def test_brackets_in_strings_are_no_nesting() -> None:
    text = '\\"[{[{[{[{[{' * 20
    assert parse_object(f'{{"a":"{text}"}}'.encode())


def test_eight_levels_are_read_and_nine_refused() -> None:
    assert parse_object(nested(MAX_DEPTH))
    with pytest.raises(Refused) as refused:
        parse_object(nested(MAX_DEPTH + 1))
    assert refused.value.errors[0].rule == "depth"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_very_deep_text_is_refused_without_being_read(opening: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse_object(opening * 200_000)
    assert (refused.value.status, refused.value.code) == (400, ErrorCode.INVALID_JSON)
    assert [(each.field, each.rule) for each in refused.value.errors] == [("body", "depth")]


def test_broken_json_is_refused_with_its_place() -> None:
    with pytest.raises(Refused, match="line 2, column 8"):
        parse_object(b'{"a": 1,\n  "b": ?}')


def test_bytes_that_are_no_utf8_are_refused_with_their_place() -> None:
    with pytest.raises(Refused, match="byte 6"):
        parse_object(b'{"a":"\xff"}')


def test_an_unclosed_string_costs_no_more_than_its_length() -> None:
    with pytest.raises(Refused):
        parse_object(b'{"a":"' + b'\\"' * 500_000)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(Refused):
        assert isinstance(parse_object(body), dict)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
LEAVES = st.none() | st.booleans() | TEXT
LISTS = st.lists(LEAVES | st.dictionaries(TEXT, LEAVES, max_size=3), max_size=3)
VALUES = LEAVES | LISTS | st.dictionaries(TEXT, LISTS, max_size=3)


@given(st.dictionaries(TEXT, VALUES, max_size=3))
def test_what_json_wrote_is_read_back(document: dict[str, Any]) -> None:
    assert parse_object(json.dumps(document).encode()) == document


@given(st.text())
def test_what_is_shown_of_a_clients_text_is_short_printable_ascii(text: str) -> None:
    assert shown(text).isascii()
    assert shown(text).isprintable()
    assert len(shown(text)) <= 40 * len(r"\U00000000") + len("...")


def test_a_byte_order_mark_at_the_start_is_no_part_of_the_text() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a": "b"}') == {"a": "b"}
