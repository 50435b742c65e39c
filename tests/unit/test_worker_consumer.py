"""How a worker waits for its broker, and the commands that operators and Flower can send it."""

import json
import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery.exceptions import WorkerShutdown
from celery.worker.control import Panel
from kombu.exceptions import OperationalError
from redis.connection import DefaultParser
from structlog.testing import capture_logs

from chaos.garbage import DEEP
from orderengine.dispatch.improper import order_id_in
from orderengine.dispatch.queue_order import UrgentFirst
from orderengine.worker.consumer import TASK_EVENTS_S, BrokenMessage, BrokerConsumer
from orderengine.worker.control import register_commands
from orderengine.worker.outage import LONGEST_WAIT_S, Outage

_parser: Any = DefaultParser
READ_ONLY = _parser.parse_error("READONLY You can't write against a read only replica.")


def test_each_cause_of_an_outage_is_told_once_and_its_end_too() -> None:
    outage = Outage(lambda _: None)
    with capture_logs() as lines:
        for _ in range(2):
            outage.met(READ_ONLY)
            outage.met(redis.ConnectionError("gone"))
        outage.ended()
        outage.ended()
        outage.met(READ_ONLY)
    told = [line.get("cause", line["event"]) for line in lines]
    assert told == ["read_only_replica", "no_answer", "worker_resumed", "read_only_replica"]


def test_the_waits_of_an_outage_grow_to_a_second_and_begin_anew_after_it() -> None:
    slept: list[float] = []
    outage = Outage(slept.append)
    waits = []
    for _ in range(7):
        outage.met(READ_ONLY)
        slept.clear()
        outage.wait(lambda: None)
        waits.append(round(sum(slept), 3))
    assert waits == [0.1, 0.2, 0.4, 0.8, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
    outage.ended()
    slept.clear()
    outage.wait(lambda: None)
    assert slept == []


def test_a_worker_that_is_told_to_end_waits_no_longer() -> None:
    slept: list[float] = []
    outage = Outage(slept.append)
    outage.met(READ_ONLY)

    def ends() -> None:
        if slept:
            raise WorkerShutdown(0)

    with pytest.raises(WorkerShutdown):
        outage.wait(ends)
    assert len(slept) == 1


@pytest.mark.parametrize("added", [["intake", "settle"], ["other", "intake", "settle"]])
def test_the_most_urgent_queue_is_asked_first_whichever_was_added_last(added: list[str]) -> None:
    order = UrgentFirst()
    order.update(added)
    order.rotate("settle")
    assert list(order.consume(2)) == ["settle", "intake"]
    assert sorted(order.consume(len(added))) == sorted(added)


class Timer:
    """Records the calls that are scheduled."""

    def __init__(self) -> None:
        self.entries: list[SimpleNamespace] = []

    def call_after(self, seconds: float, call: Callable[[], None]) -> SimpleNamespace:
        entry = SimpleNamespace(seconds=seconds, call=call, cancelled=False)
        entry.cancel = lambda: setattr(entry, "cancelled", True)
        self.entries.append(entry)
        return entry


def test_an_error_is_explained_until_the_broker_has_worked() -> None:
    made: Any = BrokerConsumer.__new__(BrokerConsumer)
    made.app = SimpleNamespace(broker_address="redis://:secret@127.0.0.1:1/0")
    made._outage = Outage(lambda _: None, explain=made._explained)
    made._has_worked = False
    refused = _parser.parse_error("WRONGPASS invalid username-password pair or user is disabled.")
    with capture_logs() as lines:
        made._outage.met(refused)
        made._works()
        made._outage.met(refused)
    first, second = (line for line in lines if line["event"] == "worker_waits_for_broker")
    assert first["setting"] == "REDIS_URL"
    assert "127.0.0.1:1/0 refuses the user or password of REDIS_URL" in first["error"]
    assert "secret" not in first["error"]
    assert second["error"] == str(refused)


def read_json(text: bytes) -> None:
    json.loads(text.decode())["headers"]


def lack_a_part(_: object) -> None:
    raise KeyError("properties")


@pytest.mark.parametrize(
    ("read", "command", "told"),
    [
        (read_json, b"no JSON", "no JSON"),
        (read_json, b"\xff", "\ufffd"),
        (read_json, b"null", ""),
        (read_json, DEEP, ""),
        (lack_a_part, b"{}", ""),
    ],
)
def test_a_command_that_breaks_the_loop_is_dropped_and_the_loop_begins_anew(
    consumer: Any,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[bytes], None],
    command: bytes,
    told: str,
) -> None:
    monkeypatch.setattr("orderengine.worker.consumer.asynloop", lambda *_: read(command))
    with capture_logs() as lines, pytest.raises(BrokenMessage) as caught:
        consumer.loop()
    assert isinstance(caught.value, consumer.connection_errors)
    (line,) = lines
    assert (line["event"], line["reason"], line["message"]) == ("message_dropped", "control", told)


@pytest.mark.parametrize("error", [KeyError(7), READ_ONLY, ssl.SSLCertVerificationError("bad")])
def test_an_error_of_the_connection_is_no_dropped_message(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """kombu raises KeyError with the number of a socket that is gone."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("orderengine.worker.consumer.asynloop", fail)
    with capture_logs() as lines, pytest.raises(type(error)):
        consumer.loop()
    assert lines == []
    assert isinstance(error, consumer.connection_errors)


@pytest.fixture
def consumer() -> Any:
    made: Any = BrokerConsumer.__new__(BrokerConsumer)
    made._task_events = None
    made.hub = object()
    made.connection_errors = (redis.RedisError, OperationalError, KeyError, OSError)
    made.timer = Timer()
    made.event_dispatcher = SimpleNamespace(groups={"worker"})
    return made


def test_the_events_of_tasks_end_when_nobody_asks_for_them_again(consumer: Any) -> None:
    register_commands()
    state = SimpleNamespace(consumer=consumer)
    for _ in range(2):
        assert "ok" in Panel.data["enable_events"](state)
    assert consumer.event_dispatcher.groups == {"worker", "task"}
    assert consumer.tells_tasks
    first, second = consumer.timer.entries
    assert (first.cancelled, second.cancelled) == (True, False)
    assert second.seconds == TASK_EVENTS_S
    second.call()
    assert consumer.event_dispatcher.groups == {"worker"}
    assert not consumer.tells_tasks
    second.call()
    consumer.event_dispatcher.groups = set()
    assert consumer.tells_tasks, "these are all groups"
    consumer.event_dispatcher = None
    assert not consumer.tells_tasks
    second.call()


def test_a_limit_of_a_rate_is_refused() -> None:
    register_commands()
    answer = Panel.data["rate_limit"](SimpleNamespace(), task_name="route_order", rate_limit="1/m")
    assert "no rate limits" in answer["error"]
    assert Panel.meta["rate_limit"].args


def test_the_order_that_a_broken_message_names_is_found() -> None:
    order_id = str(uuid4())
    for text in (
        f"(orderId={order_id}, version=1)",
        f'{{"orderId": "{order_id}"',
        rf"{{\"orderId\": \"{order_id}\"",
        f'[["{order_id}", 1',
    ):
        assert order_id_in(f"{uuid4()} {text} {uuid4()}") == order_id
    assert order_id_in(f"{uuid4()} and no more") is None
