"""The page for users about orders: its diagram and its tables are those of the code."""

import re

from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.order import TRANSITIONS, OrderStatus
from orderengine.domain.terms import RULES, OrderType

PAGE = (PACKAGE_DIR.parent / "docs" / "orders.md").read_text("utf-8")
OUTSIDE = "[*]"


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_the_diagram_has_the_transitions_of_the_state_machine() -> None:
    (diagram,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", PAGE, re.DOTALL)
    drawn = re.findall(r"^ +(\S+) --> (\w+|\[\*\])(?:: .+)?$", diagram, re.MULTILINE)
    assert len(drawn) == len(diagram.splitlines())
    begun = {(OUTSIDE, "waiting"), (OUTSIDE, "pending")}
    ended = {(status.value, OUTSIDE) for status in OrderStatus if status.is_terminal}
    moves = {
        (status.value, target.value)
        for status, targets in TRANSITIONS.items()
        for target in targets.values()
    }
    assert set(drawn) == begun | moves | ended
    assert len(drawn) == len(set(drawn))


def test_every_status_is_explained() -> None:
    (table,) = re.findall(r"\| status \|.*?(?=\n\n)", section("States"), re.DOTALL)
    told = [name for cells in rows(table) for name in re.findall(r"`(\w+)`", cells[0])]
    assert told == [status.value for status in OrderStatus]


def test_every_type_has_its_fields_and_times() -> None:
    told = {re.findall(r"\w+", cells[0])[0]: cells for cells in rows(section("Types"))}
    assert set(told) == {kind.value for kind in OrderType}
    for kind, rules in RULES.items():
        _, _, fields, times = told[kind.value]
        named = set(re.findall(r"`(\w+)`", fields))
        assert {*rules.needed, *rules.optional} <= named
        first, *_ = named_times = re.findall(r"`(\w+)`", times)
        assert set(named_times) == {each.value for each in rules.times_in_force}
        assert first == rules.times_in_force[0].value
