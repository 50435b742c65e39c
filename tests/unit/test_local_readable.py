"""The log of `make run` on a terminal."""

import json

import pytest
from structlog.testing import capture_logs

from orderengine.domain.instruments import Instruments
from orderengine.local.readable import readable
from tests.builders import A_FAIL
from tests.singles import confirm_order
from tests.world import World

STEP = {
    "event": "order_moved",
    "level": "info",
    "logger": "engine",
    "order_id": "7a5f",
    "timestamp": "2026-11-29T23:00:00Z",
    "status": "routing",
    "version": 2,
    "attempt": 2,
    "stage": "route",
    "request_id": "r",
}
END = {**STEP, "symbol": "AAPL", "side": "buy", "quantity": "10", "took_s": 2.4}
FAILED = {**END, "status": "failed", "reason": "SLIPPAGE_EXCEEDED", "detail": "too far"}


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def test_the_engine_logs_all_that_the_line_shows(world: World) -> None:
    handed = world.submit()
    world.network.land(handed.signature, other_amount=2_301_000_000)
    with capture_logs() as confirmed:
        confirm_order(world.engine, handed)
    other = world.accept()
    with capture_logs() as failed:
        world.engine.advance(other.order_id, 1, A_FAIL)
    lines = [
        row for told in (*confirmed, *failed) for row in shown(level=told["log_level"], **told)
    ]
    assert len(lines) == 2
    assert "buy 10 AAPL confirmed at 230.1 USDC on raydium in 0.0 s" in lines[0]
    assert f"buy 10 AAPL failed after 0.0 s, {A_FAIL.reason}: {A_FAIL.detail}" in lines[1]


def shown(**line: object) -> list[str]:
    return list(readable(json.dumps(line)))


def test_an_order_has_one_line_when_it_has_ended() -> None:
    told = {**END, "status": "confirmed", "dex": "meteora", "executed_price": "230.1"}
    end = "confirmed at 230.1 USDC on meteora in 2.4 s, attempt 2"
    assert shown(**told) == [f"order 7a5f buy 10 AAPL {end}"]
    end = "failed after 2.4 s, SLIPPAGE_EXCEEDED: too far, attempt 2"
    assert shown(**FAILED) == [f"order 7a5f buy 10 AAPL {end}"]


def test_an_order_of_usdc_is_told_by_its_usdc(world: World) -> None:
    handed = world.run_to_submitted(world.accept(usdc="2300").order_id)
    world.network.land(handed.signature)
    with capture_logs() as told:
        confirm_order(world.engine, handed)
    (line,) = [row for each in told for row in shown(level=each["log_level"], **each)]
    assert " buy AAPL for 2300 USDC confirmed at " in line


def test_the_steps_of_an_order_that_goes_on_are_not_shown() -> None:
    assert shown(**STEP) == []
    assert shown(**{**STEP, "event": "route_chosen", "dex": "meteora"}) == []
    assert shown(**{**STEP, "event": "attempt_failed", "level": "warning"}) == []


def test_what_is_wrong_is_shown_with_its_order_and_all_its_fields() -> None:
    told = {**STEP, "event": "dispatch_unavailable", "level": "warning", "error": "no answer"}
    (line,) = shown(**told)
    assert line.startswith("warning: dispatch_unavailable order 7a5f status=routing ")
    assert line.endswith("error=no answer")
    broken = {"event": "venue_failed", "level": "error", "exception": "Traceback:\n  x"}
    assert shown(**broken) == ["error: venue_failed", "Traceback:", "  x"]


def test_what_is_no_order_is_shown() -> None:
    assert shown(event="task_events_off", level="info", after=30) == ["task_events_off after=30"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "web listens", "{", "[1]", "{}", '{"event":1}', '{"a": "order_moved"}'),
        *('{"event":"x","level":[]}', '{"event":' * 10_000),
    ],
)
def test_other_text_is_shown_as_it_is(text: str) -> None:
    assert list(readable(text)) == [text]


def test_a_status_that_is_no_text_is_shown() -> None:
    (line,) = shown(event="order_moved", level="error", status=["confirmed"])
    assert line == "error: order_moved status=['confirmed']"


def test_an_end_of_another_release_is_shown_as_far_as_it_is_known() -> None:
    (line,) = shown(**{**STEP, "status": "confirmed"})
    assert line == "order 7a5f ? ? ? confirmed at ? USDC on ? in ? s, attempt 2"


def test_no_value_breaks_a_line_or_colors_the_terminal() -> None:
    (line,) = shown(**{**FAILED, "detail": "a\nb\x1b[31m"})
    assert "SLIPPAGE_EXCEEDED: a\\nb\\x1b[31m" in line
