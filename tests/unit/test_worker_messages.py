"""How a worker drops a message that Celery cannot handle: counted, and without losing a slot."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery.worker import state
from celery.worker.consumer import Consumer
from redis.connection import DefaultParser
from structlog.testing import capture_logs

from orderengine.dispatch.improper import Reason, message_dropped
from orderengine.worker.consumer import BrokerConsumer, _freeing

_parser: Any = DefaultParser
READ_ONLY = _parser.parse_error("READONLY You can't write against a read only replica.")


@pytest.fixture
def consumer() -> Any:
    made: Any = BrokerConsumer.__new__(BrokerConsumer)
    made.task_consumer = SimpleNamespace(no_ack=False)
    made.qos = SimpleNamespace(decrement_eventually=lambda: None)
    return made


class SimpleRequest:
    """A request that Celery can note."""

    id = "one"
    name = "route_order"


class Taken:
    """A message that the worker took; `acknowledged` is its state."""

    def __init__(self, body: bytes = b"[]") -> None:
        self.body = body
        self.headers = {"task": "route_order"}
        self.delivery_info = {"routing_key": "intake"}
        self.acknowledged = False

    def ack(self) -> None:
        assert not self.acknowledged
        self.acknowledged = True


@pytest.fixture
def reasons() -> Iterator[list[Reason]]:
    """The reasons of the messages that are dropped."""
    found: list[Reason] = []

    def keep(reason: Reason, **_: object) -> None:
        found.append(reason)

    message_dropped.connect(keep)
    yield found
    message_dropped.disconnect(keep)


def fail(*_: object) -> None:
    raise TypeError("argument of type 'NoneType' is not iterable")


def refuse(*_: object) -> None:
    raise READ_ONLY


def test_a_message_that_breaks_the_code_of_celery_is_dropped_and_takes_up_no_slot(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, reasons: list[Reason]
) -> None:
    monkeypatch.setattr(Consumer, "create_task_handler", lambda _: fail)
    message = Taken()
    with capture_logs() as lines:
        consumer.create_task_handler()(message)
    assert (reasons, message.acknowledged) == ([Reason.UNREADABLE], True)
    assert lines[0]["queue"] == "intake"
    assert lines[0]["error"].startswith("TypeError: ")


def test_a_refusal_of_the_broker_is_not_the_fault_of_the_message_in_hand(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, reasons: list[Reason]
) -> None:
    monkeypatch.setattr(Consumer, "create_task_handler", lambda _: refuse)
    message = Taken()
    with pytest.raises(redis.ReadOnlyError):
        consumer.create_task_handler()(message)
    assert (reasons, message.acknowledged) == ([], False)


def test_a_message_that_was_put_off_and_cannot_run_takes_up_no_slot(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, reasons: list[Reason]
) -> None:
    let_in: list[int] = []
    consumer.qos.decrement_eventually = lambda: let_in.append(1)
    monkeypatch.setattr(Consumer, "apply_eta_task", fail)
    message = Taken()
    consumer.apply_eta_task(SimpleNamespace(message=message))
    assert (reasons, message.acknowledged, let_in) == ([Reason.UNREADABLE], True, [1])
    monkeypatch.setattr(Consumer, "apply_eta_task", refuse)
    with pytest.raises(redis.ReadOnlyError):
        consumer.apply_eta_task(SimpleNamespace(message=message))


@pytest.mark.parametrize(
    ("drop", "reason"),
    [
        (lambda made, message: made.on_unknown_message(None, message), Reason.UNREADABLE),
        (lambda made, message: made.on_unknown_task(None, message, None), Reason.UNKNOWN_TASK),
        (lambda made, message: made.on_invalid_task(None, message, None), Reason.ARGUMENTS),
        (lambda made, message: made.on_decode_error(message, ValueError()), Reason.UNREADABLE),
    ],
)
@pytest.mark.parametrize("no_ack", [False, True])
def test_a_dropped_message_is_acknowledged_where_messages_are(
    consumer: Any,
    reasons: list[Reason],
    drop: Callable[[Any, Taken], None],
    reason: Reason,
    no_ack: bool,
) -> None:
    """An unacknowledged one would take up a slot for good, and come back."""
    consumer.task_consumer.no_ack = no_ack
    message = Taken()
    drop(consumer, message)
    assert (reasons, message.acknowledged) == ([reason], not no_ack)
    drop(consumer, message)  # acknowledged only once
    consumer.task_consumer = None
    drop(consumer, Taken())
    assert reasons == [reason] * 3


def test_a_request_that_cannot_be_handed_to_the_pool_takes_up_no_slot() -> None:
    request = SimpleRequest()
    state.task_reserved(request)
    with pytest.raises(TypeError):
        _freeing(fail)(request)
    assert request not in state.reserved_requests
    assert request.id not in state.requests
