"""Which messages of a queue a worker lets through to kombu."""

import json
from base64 import b64encode
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from kombu import Connection
from kombu.utils import json as kombu_json
from structlog.testing import capture_logs

from chaos.garbage import NOTHING, envelope, unfit, unreadable
from orderengine.execution.chain.slots import Slots
from orderengine.worker.reading import TAKE, checked_by, checked_reading_step

QUEUE = "intake"
ORDER_ID = str(uuid4())
GARBAGE = unreadable(QUEUE) | unfit(QUEUE, ORDER_ID)
LEFT_TO_THE_CONSUMER = {
    *("no task", "no id", "an unknown task", "a task of Celery's own"),
    *("a body that is no JSON", "a body of another kind", "a body of an unknown kind"),
    *("a body that is null", "a body that is a number"),
    *(name for name in unfit(QUEUE, ORDER_ID) if "wrong" not in name),
    *("a wrong eta", "a wrong expires", "a wrong timelimit", "a wrong stamped_headers"),
}
"""kombu can read these; Celery or `CheckedRequest` finds the fault."""


@pytest.fixture
def check() -> Any:
    return checked_by(Connection("memory://").default_channel, lambda _: False)


@pytest.mark.parametrize("name", GARBAGE)
def test_a_message_that_kombu_cannot_read_is_dropped_with_its_queue(check: Any, name: str) -> None:
    answer = (QUEUE.encode(), GARBAGE[name])
    with capture_logs() as lines:
        passed = check(answer)
    if name in LEFT_TO_THE_CONSUMER:
        assert (passed, lines) == (answer, [])
        return
    assert passed is None
    (line,) = lines
    assert (line["event"], line["reason"]) == ("message_dropped", "unreadable")
    assert line["queue"] == QUEUE
    assert line["message"] == GARBAGE[name].decode("utf-8", "replace")[:200]
    if name in unfit(QUEUE, ORDER_ID):
        assert line["order_id"] == ORDER_ID


def test_proper_messages_pass_as_they_are(check: Any) -> None:
    whole = envelope(QUEUE, [[ORDER_ID, 1, "order"], {}, NOTHING])
    put_back = kombu_json.dumps({**whole, "body": whole["body"].encode()})
    for text in (json.dumps(whole), put_back):
        answer = (QUEUE.encode(), text.encode())
        assert check(answer) is answer


@pytest.mark.parametrize("nothing", [None, []])
def test_no_answer_stays_none(check: Any, nothing: Any) -> None:
    assert check(nothing) is None


def taken(named: dict[str, object] | None = None, **changed: Any) -> bytes:
    """A message to route the order at version 1, with some parts changed."""
    parts: dict[str, Any] = {"version": 1, "cause": "order", "task": "route_order", "retries": 0}
    parts |= changed
    body = json.dumps([[ORDER_ID, parts["version"], parts["cause"]], named or {}, NOTHING])
    message = envelope(QUEUE, parts.get("body", body), parts["task"])
    message["body"] = b64encode(parts.get("body", body).encode()).decode()
    message["headers"]["retries"] = parts["retries"]
    return json.dumps(message).encode()


class Channel:
    """A channel whose client has the callback of a step that was started."""

    def __init__(self, *, tells_tasks: bool) -> None:
        self.client = self
        self.callbacks: dict[str, Any] = {}
        self.taken_back: list[Any] = []
        consumer = SimpleNamespace(
            app=SimpleNamespace(take_back=self.taken_back.append),
            task_consumer=SimpleNamespace(channel=self),
            tells_tasks=tells_tasks,
            pool=SimpleNamespace(),
        )
        slots = Slots(10)
        self.other = (uuid4(), 7)
        slots.note_group(10, 10, [(UUID(ORDER_ID), 1), self.other], (uuid4(), 1))
        checked_reading_step(slots)(consumer).start(consumer)

    def set_response_callback(self, command: str, callback: Any) -> None:
        self.callbacks[command] = callback

    def Message(self, message: Any, channel: object) -> None:  # noqa: N802 - kombu's name
        """Take any message."""

    def passes(self, text: bytes) -> bool:
        with capture_logs() as lines:
            passed = self.callbacks[TAKE]((QUEUE.encode(), text))
        assert lines == []
        return passed is not None


def test_a_message_of_an_order_that_was_taken_along_goes_no_further() -> None:
    assert not Channel(tells_tasks=False).passes(taken())


@pytest.mark.parametrize(
    "other",
    [
        taken(version=2),
        taken(cause="recovery"),
        taken({"again": True}),
        taken(retries=1),
        taken(task="confirm_order"),
        taken(body="[]"),
        taken(body="no JSON"),
        taken(version=[]),
    ],
)
def test_every_other_message_is_let_through(other: bytes) -> None:
    assert Channel(tells_tasks=False).passes(other)


def test_every_message_is_let_through_while_somebody_watches_the_tasks() -> None:
    channel = Channel(tells_tasks=True)
    assert channel.passes(taken())
    assert channel.taken_back == []


def test_the_first_message_of_a_group_has_those_of_the_others_taken_away() -> None:
    channel = Channel(tells_tasks=False)
    for _ in range(2):
        assert not channel.passes(taken())
    assert channel.taken_back == [[channel.other]]
