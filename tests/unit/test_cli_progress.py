"""Live progress of orders on a terminal."""

import io
import json
from collections.abc import Iterator

import click
import pytest
from rich.console import Console

from benchmarks.__main__ import _parse as parse_bench
from orderengine.cli.events import Event
from orderengine.cli.main import main
from orderengine.cli.progress import Progress
from orderengine.domain.moves import Move
from tests.builders import TRANSACTION, a_failed_attempt
from tests.cli_desk import messages
from tests.steps import CONFIRMED, FAIL

TX_HASH = TRANSACTION.signature


class Terminal:
    """The screen of a terminal with 100 columns."""

    def __init__(self, *order_ids: str) -> None:
        self.now = 0.0
        self.progress = Progress(order_ids, lambda: self.now)

    def tell(self, order_id: str, *moves: Move, count: int | None = None) -> None:
        for event in events(order_id, *moves)[:count]:
            self.progress.tell(event)

    def lines(self) -> list[list[str]]:
        screen = io.StringIO()
        Console(file=screen, width=100, color_system=None).print(self.progress)
        return [line.split() for line in screen.getvalue().splitlines()]


def events(order_id: str, *moves: Move) -> list[Event]:
    told = [json.loads(str(message)) for message in messages(*moves)]
    return [{**event, "orderId": order_id} for event in told]


def test_the_stage_that_lasts_is_counted_on_until_the_next_event() -> None:
    terminal = Terminal("7a5f")
    terminal.tell("7a5f", *CONFIRMED, count=4)
    terminal.now += 1.5
    *_, building, submitted = terminal.lines()
    assert building[1:5] == ["building", "0.000", "s", "1"]
    assert submitted[1:4] == ["submitted", "1.500", "s"]
    assert submitted[-1] == f"{TX_HASH[:8]}...{TX_HASH[-8:]}"


def test_an_order_that_has_ended_shows_all_its_stages_and_attempts() -> None:
    terminal = Terminal("7a5f")
    terminal.tell("7a5f", *CONFIRMED[:2], a_failed_attempt(), *CONFIRMED)
    heads, *rows = terminal.lines()
    assert heads == ["stage", "took", "attempt"]
    marked = [row for row in rows if row[0] in {"✓", "✗"}]
    assert [(row[1], row[4]) for row in marked] == [
        *(("pending", "1"), ("routing", "1"), ("building", "1")),
        *(("pending", "2"), ("routing", "2"), ("building", "2")),
        *(("submitted", "2"), ("confirmed", "2")),
    ]


def test_many_orders_have_a_line_each() -> None:
    terminal = Terminal("good", "bad", "open", "lost")
    terminal.tell("good", *CONFIRMED)
    terminal.tell("bad", FAIL)
    terminal.tell("open", *CONFIRMED, count=2)
    terminal.progress.end()
    rows = {row[1]: row for row in terminal.lines() if len(row) > 1}
    assert rows["good"][0] == "✓"
    assert rows["good"][2:6] == ["buy", "10", "AAPL", "confirmed"]
    assert (rows["bad"][0], rows["bad"][5]) == ("✗", "failed")
    assert (rows["open"][0], rows["open"][5]) == ("?", "routing")
    assert rows["lost"] == ["?", "lost"]


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


def test_every_command_speaks_json(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = {
        command.name
        for command in commands(main)
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert silent == {"bench"}  # passes its arguments on
    monkeypatch.setattr("sys.argv", ["benchmarks", "--json"])
    assert parse_bench().json


def test_no_summary_of_a_command_is_cut_off() -> None:
    with click.Context(main, info_name="orderengine", terminal_width=80) as context:
        told = main.get_help(context)
    _, listed = told.split("For clients:")
    assert {command.name for command in main.commands.values()} <= set(listed.split())
    assert "..." not in listed
