"""Which messages of a queue a worker lets through to kombu."""

import json
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection
from kombu.utils import json as kombu_json
from structlog.testing import capture_logs

from chaos.garbage import NOTHING, envelope, unfit, unreadable
from orderengine.worker.reading import checked_by

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
    return checked_by(Connection("memory://").default_channel)


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
