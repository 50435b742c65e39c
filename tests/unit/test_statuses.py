"""The statuses are told once: SQL, command line and page have those of the table."""

import json
import re
from pathlib import Path

import pytest

from orderengine.api.answers.event_schemas import DATA
from orderengine.api.routes.page import STATIC_DIR
from orderengine.cli.events import TERMINAL
from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.order import (
    IDLE_STATUSES,
    OPEN_STATUSES,
    SOURCES,
    TERMINAL_STATUSES,
    TRANSITIONS,
    MoveKind,
    OrderStatus,
)
from orderengine.storage.statuses import IS_STATUS, IS_TERMINAL
from tests.builders import A_TRIGGER, a_failed_attempt

NAMES = {status.value for status in OrderStatus}
SERVICE = STATIC_DIR / "js" / "service.js"  # shows the status of the service, not of orders
SCRIPTS = sorted(set((STATIC_DIR / "js").glob("*.js")) - {SERVICE})
SHEETS = sorted((STATIC_DIR / "css").glob("*.css"))


def test_the_table_has_every_status_and_leads_to_each() -> None:
    assert set(TRANSITIONS) == set(OrderStatus)
    assert (*OPEN_STATUSES, *TERMINAL_STATUSES) == tuple(OrderStatus), "in the order of the table"
    reached = {target for moves in TRANSITIONS.values() for target in moves.values()}
    assert reached == set(OrderStatus)


def test_constraints_name_the_statuses_of_the_table() -> None:
    assert set(re.findall(r"'(\w+)'", IS_STATUS)) == NAMES
    assert set(re.findall(r"'(\w+)'", IS_TERMINAL)) == set(TERMINAL_STATUSES)


def test_recovery_has_a_message_that_continues_each_open_status() -> None:
    """It looks a submitted order up, and starts the chain for any other: from there, or anew.

    It claims no idle order.
    """
    started = SOURCES[MoveKind.ROUTE] | SOURCES[MoveKind.REROUTE]
    assert set(OPEN_STATUSES) - started == {OrderStatus.SUBMITTED, *IDLE_STATUSES}
    assert SOURCES[MoveKind.ROUTE] == {OrderStatus.PENDING}


def test_the_moves_to_pending_are_told_apart_by_the_reason() -> None:
    """Metrics, page and command line take a `pending` with a reason for a failed attempt."""
    back = {kind for moves in TRANSITIONS.values() for kind, to in moves.items() if to == "pending"}
    assert back == {MoveKind.FAIL_ATTEMPT, MoveKind.TRIGGER}
    assert "reason" in a_failed_attempt().data
    assert "reason" not in A_TRIGGER.data


def test_idle_orders_come_last_in_the_index_of_open_orders() -> None:
    """The count of open orders ends before them."""
    assert IDLE_STATUSES
    assert sorted(OPEN_STATUSES)[-len(IDLE_STATUSES) :] == sorted(IDLE_STATUSES)


def test_the_events_of_each_status_are_described() -> None:
    assert list(DATA) == list(OrderStatus)


def test_after_a_restore_every_order_that_is_not_signed_is_ended() -> None:
    script = (PACKAGE_DIR.parent / "deploy" / "after-restore.sql").read_text("utf-8")
    (listed,) = re.findall(r"WHERE status IN \((.*)\)", script)
    assert set(re.findall(r"'(\w+)'", listed)) == set(OPEN_STATUSES) - {OrderStatus.SUBMITTED}


def test_the_command_line_ends_with_0_for_a_confirmed_order_only() -> None:
    assert TERMINAL.keys() == set(TERMINAL_STATUSES)
    assert [status for status, code in TERMINAL.items() if code == 0] == ["confirmed"]


def test_the_page_has_the_statuses_of_the_table() -> None:
    text = (STATIC_DIR / "js" / "statuses.js").read_text("utf-8")
    open_ones, terminal = (json.loads(each) for each in re.findall(r"\[[^\]]*\]", text))
    assert open_ones == list(OPEN_STATUSES)
    assert terminal == list(TERMINAL_STATUSES)


def test_the_page_describes_every_status() -> None:
    text = (STATIC_DIR / "js" / "timeline.js").read_text("utf-8")
    (table,) = re.findall(r"^const TEXTS = \{\n(.*?)^\};", text, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^  (\w+):", table, re.MULTILINE) == list(OrderStatus)


@pytest.mark.parametrize("path", [*SCRIPTS, *SHEETS], ids=lambda path: path.name)
def test_scripts_and_style_sheets_name_no_other_status(path: Path) -> None:
    text = path.read_text("utf-8")
    if path.suffix == ".css":
        named = set(re.findall(r'data-(?:status|outcome)="(\w+)"', text))
    else:
        compared = r'\bstatus(?: ===| !==|:) "(\w+)"|lastOf\(\w+, "(\w+)"\)|stageView\("(\w+)"'
        named = {name for found in re.findall(compared, text) for name in found if name}
    assert named <= NAMES


def test_each_terminal_status_has_a_color_wherever_statuses_are_colored() -> None:
    styles = "".join(path.read_text("utf-8") for path in SHEETS)
    for status in TERMINAL_STATUSES:
        for rule in (
            f'.status[data-status="{status}"]',
            f'.stages[data-outcome="{status}"]',
            f'.steps [data-status="{status}"]',
        ):
            assert rule in styles, rule


def test_no_module_lists_statuses_by_hand() -> None:
    name = "|".join(NAMES)
    listed = re.compile(rf"""["']({name})["'][,:][^\n]*["']({name})["']""")
    found = {
        path.name
        for folder in ("orderengine", "benchmarks", "chaos")
        for path in (PACKAGE_DIR.parent / folder).rglob("*.py")
        if listed.search(path.read_text("utf-8"))
    }
    assert found == set()
