"""Reads files of orders: CSV with a header, or one JSON object a line."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from orderengine.domain.fields import shown
from orderengine.domain.json_rules import (
    MAX_DEPTH,
    MAX_NUMBER_LENGTH,
    UNSTORABLE,
    depth_of,
    leaves_of,
)
from orderengine.domain.order import NewOrder

FIELDS = (*(each.name for each in shown(NewOrder) if each.name != "orderId"), "minLiquidity")
"""The columns of a file: the fields of an order, of `trigger` its `on` and `minLiquidity`."""
POOL = {"trigger": "on", "minLiquidity": "minLiquidity"}
INTEGERS = frozenset(each.name for each in shown(NewOrder) if each.kind is int)
MOST_BYTES = 8192
"""The longest order that the service takes."""

_INTEGER = re.compile(r"-?[0-9]{1,9}")


class UnreadableFile(Exception):
    """The file has no orders that could be sent; the message names line and fault."""


@dataclass(frozen=True, slots=True)
class Line:
    """An order of a file, as JSON text; `fault` says why it can not be sent, if it can not.

    `number` counts the file's lines from 1.
    """

    number: int
    text: str = ""
    fault: str = ""


def read_orders(text: str) -> list[Line]:
    """The orders of a file: JSON lines if it begins with a brace, else CSV with a header.

    Raises UnreadableFile for an empty file, or a header that names another field than an order has.
    """
    text = text.removeprefix("\ufeff")
    lines = list(_jsonl(text) if text.lstrip().startswith("{") else _csv(text))
    if not lines:
        raise UnreadableFile("it has no orders")
    return [_bounded(line) for line in lines]


def _bounded(line: Line) -> Line:
    if len(line.text.encode("utf-8", "replace")) <= MOST_BYTES:
        return line
    return Line(line.number, fault=f"an order must not be longer than {MOST_BYTES} bytes")


def _csv(text: str) -> Iterator[Line]:
    rows = csv.reader(io.StringIO(text), strict=True)
    names: Sequence[str] = ()
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if names:
                yield _row(rows.line_num, names, row)
            else:
                names = _header(rows.line_num, row)
    except csv.Error as error:
        raise UnreadableFile(f"line {rows.line_num}: {error}") from error


def _header(number: int, row: Sequence[str]) -> Sequence[str]:
    names = [cell.strip() for cell in row]
    for name in names:
        if name not in FIELDS:
            told = f"{name!r} is not a field of an order; the fields are: {', '.join(FIELDS)}"
            raise UnreadableFile(f"line {number}: {told}")
        if names.count(name) > 1:
            raise UnreadableFile(f"line {number}: {name} is named twice")
    return names


def _row(number: int, names: Sequence[str], row: Sequence[str]) -> Line:
    """An order from the cells of a row; an empty cell leaves its field out."""
    if len(row) > len(names):
        return Line(number, fault=f"it has {len(row)} cells, but the header names {len(names)}")
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
    order: dict[str, Any] = {name: _value(name, cell) for name, cell in cells.items() if cell}
    pool = {key: order.pop(name) for name, key in POOL.items() if name in order}
    return _line(number, json.dumps(order | {"trigger": pool} if pool else order))


def _value(name: str, cell: str) -> str | int:
    return int(cell) if name in INTEGERS and _INTEGER.fullmatch(cell) else cell


def _jsonl(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _line(number, line)


def _line(number: int, text: str) -> Line:
    fault = _fault(text)
    return Line(number, fault=fault) if fault else Line(number, text.strip())


def _fault(text: str) -> str:
    """Why a text is no JSON object that the service would read; empty if it is one.

    The service would refuse the whole batch for it. The text itself is sent, so that no number is
    rounded.
    """
    if depth_of(text) > MAX_DEPTH:
        return f"it must not nest deeper than {MAX_DEPTH} levels"
    try:
        document = _DECODER.decode(text)
        for leaf in leaves_of(document):
            _check_text(leaf)
    except json.JSONDecodeError as error:
        return f"it is not JSON at column {error.colno}"
    except ValueError as error:
        return str(error)
    return "" if isinstance(document, Mapping) else "it is not a JSON object"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, _ in pairs:
        _check_text(name)
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is given twice")
    return members


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number in JSON")


def _check_text(value: object) -> None:
    if isinstance(value, str) and UNSTORABLE.search(value):
        raise ValueError("its texts must not contain NUL or a lone surrogate")


def _check_number(text: str) -> None:
    if len(text) > MAX_NUMBER_LENGTH:
        raise ValueError(f"its numbers must not have more than {MAX_NUMBER_LENGTH} characters")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_check_number,
    parse_float=_check_number,
    parse_constant=_no_number,
)
