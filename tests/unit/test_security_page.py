"""The page on security names existing tests and correct figures."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.corpus import corpus
from tests.frames import frame_corpus
from tests.web import Web

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def test_every_test_that_it_names_is_in_the_file_that_it_names() -> None:
    found, file = 0, ""
    for name in re.findall(r"`(tests/[\w/]+\.py|test_\w+)`", PAGE):
        if name.startswith("tests/"):
            file = (ROOT / name).read_text("utf-8")
            continue
        assert f"\ndef {name}(" in file, name
        found += 1
    assert found >= 50


def test_every_risk_has_a_line_with_a_test() -> None:
    lines = re.findall(r"^\| API(\d+) .*`test_\w+`.*\|$", PAGE, re.MULTILINE)
    assert lines == [str(number) for number in range(1, 11)]


def asked(part: Any, spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema in a part of the description, with its name if it has one."""
    if isinstance(part, list):
        for each in part:
            yield from asked(each, spec)
    elif isinstance(part, dict):
        if "$ref" in part:
            yield from asked(spec["components"]["schemas"][part["$ref"].rpartition("/")[2]], spec)
        for name, each in part.get("properties", {}).items():
            yield {"name": name, **each}
        if "schema" in part and "name" in part:
            yield {"name": part["name"], **part["schema"]}
        for each in part.values():
            yield from asked(each, spec)


def test_no_request_names_an_address() -> None:
    spec = Web().client.get("/openapi.json").get_json()
    names = set()
    for operations in spec["paths"].values():
        inputs = [operations.get("parameters", [])]
        for method, operation in operations.items():
            if method != "parameters":
                inputs += [operation.get("parameters", []), operation.get("requestBody", {})]
        for schema in asked(inputs, spec):
            names.add(schema["name"])
            assert schema.get("format") in {None, "uuid", "date-time"}, schema
            assert not re.search(r"(?i)url|uri|host|link|callback|address", schema["name"])
    assert {"symbol", "worstPrice", "cursor", "Idempotency-Key", "order_id"} <= names


def test_the_frames_are_told_as_they_are() -> None:
    families = Counter(case.family for case in frame_corpus())
    assert f"makes {families.total()} of them" in PAGE
    table = PAGE.partition("| family | frames |")[2].partition("Peers that")[0]
    rows = re.findall(r"^\| ([^|:]+?)(?::[^|]*)? \| (\d+) \|", table, re.MULTILINE)
    assert {name: int(number) for name, number in rows} == families


def test_the_size_of_the_corpus_is_told_as_it_is() -> None:
    assert f"makes {len(corpus())} requests" in PAGE
    table = PAGE.partition("| family | requests |")[2].partition("Hostile frames")[0]
    assert sum(map(int, re.findall(r"\| (\d+) \|$", table, re.MULTILINE))) == len(corpus())
