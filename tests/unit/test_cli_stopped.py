"""The message after Ctrl-C depends on the work that it stopped."""

from collections.abc import Iterator

import pytest
import websocket

from orderengine.cli import export
from orderengine.cli.common import Surroundings
from orderengine.cli.service import Service
from orderengine.execution.operations import archive
from tests.cli_desk import Desk, call, open_desk

OPERATOR = Surroundings(environ={"DATABASE_URL": "postgresql://h/db", "REDIS_URL": "redis://h"})


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


@pytest.mark.parametrize("command", [["watch", "7a5f"], ["submit", "AAPL", "buy", "1", "--watch"]])
def test_an_order_goes_on_without_its_watcher(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(websocket, "create_connection", stop)
    ran = call(*command, "--url", desk.url)
    assert (ran.exit_code, ran.stderr) == (130, "stopped watching; orders continue\n")


def test_an_order_without_an_answer_may_have_been_stored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "execute", stop)
    order = ("submit", "AAPL", "buy", "1", "--idempotency-key", "mine")
    ran = call(*order, "--url", desk.url)
    assert ran.exit_code == 130
    assert "repeat the command with --idempotency-key mine" in ran.stderr


def test_an_export_and_a_prune_say_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "prune", stop)
    pruned = call("prune", "--older-than", "30d", "--yes", around=OPERATOR)
    monkeypatch.setattr(export, "Progress", lambda *_, **__: Stopped())
    monkeypatch.setattr(export, "export_orders", lambda _: iter([]))
    exported = call("export", "orders", around=OPERATOR)
    assert [pruned.exit_code, exported.exit_code] == [130, 130]
    assert pruned.stderr.endswith("deleted rows stay deleted, and another prune deletes the rest\n")
    assert exported.stderr == "stopped; the output is incomplete\n"


class Stopped:
    """A display during which the user presses Ctrl-C."""

    def __enter__(self) -> None:
        raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        pass
