"""The format of log lines, and the secrets that no line may contain."""

import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest
import structlog

from orderengine.domain.access import key_text, ticket_text
from orderengine.process.logs import configure_logging, withhold, withhold_secrets

KEY_ID = "0123456789ab"
QUIETED = ("celery.worker.strategy", "celery.app.trace")
SECRET = "Aa0_-" * 8 + "xyz"  # as long as a real one


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"GET /api/orders/{key_text(KEY_ID, SECRET)}", f"GET /api/orders/oe_{KEY_ID}_[...]"),
        (f"?ticket={ticket_text(SECRET)}&after=1", "?ticket=oet_[...]&after=1"),
        (f'{{"a": "Bearer {key_text(KEY_ID, SECRET)}"}}', f'{{"a": "Bearer oe_{KEY_ID}_[...]"}}'),
        (f"cut short: oe_{KEY_ID}_{SECRET[:9]}", f"cut short: oe_{KEY_ID}_[...]"),
        (f"revoked {KEY_ID}, shoe_size oe_12_x", f"revoked {KEY_ID}, shoe_size oe_12_x"),
    ],
)
def test_of_a_key_or_ticket_only_its_id_is_left(line: str, kept: str) -> None:
    assert withhold_secrets(None, "info", line) == kept


def test_texts_that_a_process_withholds_are_in_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderengine.process.logs._withheld", ())
    url, query = "https://rpc.example/v2?api-key=0123456789", "api-key=0123456789"
    withhold([query, url, "v2", ""])
    lines = [f"asked {url}", f'"POST /v2?{query} HTTP/1.1" 200', "v2 is an ordinary word"]
    kept = ["asked [...]", '"POST /v2?[...] HTTP/1.1" 200', "v2 is an ordinary word"]
    assert [withhold_secrets(None, "debug", line) for line in lines] == kept
    withhold(["another-secret"])
    assert withhold_secrets(None, "info", f"{url} another-secret") == "[...] [...]"


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    quieted = {log: log.level for log in map(logging.getLogger, QUIETED)}
    yield
    for log, before in quieted.items():
        log.setLevel(before)
    structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def written(logging_restored: None, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The standard error of a process that logs at INFO."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    structlog.contextvars.clear_contextvars()  # left behind by tests of the stages
    configure_logging("INFO")
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_ours_and_one_of_a_library_have_one_format(written: io.StringIO) -> None:
    ours, theirs = structlog.get_logger("orderengine.here"), logging.getLogger("library.there")
    with structlog.contextvars.bound_contextvars(order_id="7", stage="route"):
        ours.info("order_moved", price=Decimal("1.5"))
        theirs.warning("gave up after %d s", 3)
        ours.debug("not from here on")
        theirs.debug("nor this")
    first, second = lines(written)
    common = {"order_id", "stage", "event", "level", "logger", "timestamp"}
    assert first.keys() - {"price"} == second.keys() == common
    assert (first["level"], first["logger"]) == ("info", "orderengine.here")
    assert (second["level"], second["logger"]) == ("warning", "library.there")
    assert (first["event"], second["event"]) == ("order_moved", "gave up after 3 s")
    assert first["price"] == "Decimal('1.5')"


def test_an_error_comes_with_its_traceback_in_one_line(written: io.StringIO) -> None:
    try:
        raise ValueError("seven\nlines")
    except ValueError:
        structlog.get_logger("ours").exception("it_failed")
        logging.getLogger("theirs").exception("it failed")
    for line in lines(written):
        assert line["level"] == "error"
        assert "ValueError: seven\nlines" in str(line["exception"])


def test_no_value_begins_a_line_or_colours_a_terminal(written: io.StringIO) -> None:
    structlog.get_logger("ours").info("said", by="\n\x1b[31m\u2028\x85é")
    assert written.getvalue().isascii()
    assert [line["by"] for line in lines(written)] == ["\n\x1b[31m\u2028\x85é"]


def test_of_a_key_in_a_line_of_ours_only_its_id_is_left(written: io.StringIO) -> None:
    structlog.get_logger("ours").info("said", by=key_text(KEY_ID, SECRET))
    assert SECRET not in written.getvalue()
    assert f"oe_{KEY_ID}_[...]" in written.getvalue()


def test_a_stream_that_nobody_reads_breaks_off_nothing(written: io.StringIO) -> None:
    written.close()
    structlog.get_logger("ours").info("said")


def test_a_value_that_cannot_be_written_breaks_off_nothing(written: io.StringIO) -> None:
    structlog.get_logger("ours").info("said", by={("no", "text"): 1})
    (line,) = lines(written)
    assert (line["event"], line["unwritable"]) == ("said", "TypeError")


@pytest.fixture
def shown(logging_restored: None, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The same for a process on a terminal."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", stream)
    structlog.contextvars.clear_contextvars()
    configure_logging("INFO")
    return stream


class Unwritable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("to", ["written", "shown"])
def test_a_value_without_a_text_breaks_off_nothing(request: pytest.FixtureRequest, to: str) -> None:
    stream: io.StringIO = request.getfixturevalue(to)
    try:
        raise ValueError("the reason")
    except ValueError:
        structlog.get_logger("ours").exception("said", by=Unwritable(), order_id="7")
    structlog.get_logger("ours").info(Unwritable())
    first, second = lines(stream)
    assert (first["event"], first["order_id"], first["by"]) == ("said", "7", "<RuntimeError>")
    assert "ValueError: the reason" in str(first["exception"])
    assert (first["unwritable"], second["unwritable"]) == ("RuntimeError", "RuntimeError")


def test_lines_for_a_terminal_are_readable(shown: io.StringIO) -> None:
    structlog.get_logger("ours").info("order_moved", version=2)
    logging.getLogger("theirs").info("ready")
    ours, theirs = shown.getvalue().splitlines()
    assert "order_moved" in ours
    assert "version" in ours
    assert "ready" in theirs
