"""Each invariant of the fault suite detects its violation, and nothing in a correct run."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.changes import Change
from chaos.evidence import (
    Backlog,
    Evidence,
    Execution,
    Outage,
    QueueSample,
    StoredEvent,
    StoredOrder,
)
from chaos.invariants import (
    EXECUTED_TWICE,
    GAPS,
    INVARIANTS,
    LOST,
    count,
    violations,
)
from chaos.load import Answer
from chaos.trial import recovery_s
from chaos.watch import Watched

PATH = ("pending", "routing", "building", "submitted", "confirmed")
EXECUTION = Execution("sig-a", 10, 2000)
FAILED_PATH = ("pending", "routing", "failed")


def events(*statuses: str) -> list[StoredEvent]:
    return [StoredEvent(number, status, 1) for number, status in enumerate(statuses, start=1)]


def order(order_id: str, status: str, version: int, **more: Any) -> StoredOrder:
    values: dict[str, Any] = {
        "attempt": 1,
        "is_due": False,
        "tx_hash": None,
        "filled": None,
        "created_at": 100.0,
        "ended_at": 103.0,
        "failure_reason": None,
    }
    return StoredOrder(order_id, status, version, **values | more)


def honest() -> Evidence:
    """One confirmed and one failed order, each seen by a socket."""
    return Evidence(
        orders={
            "a": order("a", "confirmed", 5, tx_hash="sig-a", filled=(10, 2000)),
            "b": order("b", "failed", 3),
        },
        events={"a": events(*PATH), "b": events(*FAILED_PATH)},
        executions={"a": [EXECUTION]},
        settlements={"a": [EXECUTION]},
        shown={"a": "confirmed", "b": "failed"},
        queues=[QueueSample(101.0, 20, 0), QueueSample(101.5, 140, 100)],
        answers=[Answer(10.0, 0.1, 202, "a"), Answer(11.0, 0.1, 202, "b")],
        watched=[
            Watched("a", [1, 2, 3, 4, 5], list(PATH), [None, 1000], None, True),
            Watched("b", [1, 2, 3], list(FAILED_PATH), [1000], None, True),
        ],
    )


def with_order(**changes: Any) -> Evidence:
    found = honest()
    return replace(found, orders={**found.orders, "a": replace(found.orders["a"], **changes)})


def with_events(*stored: StoredEvent) -> Evidence:
    found = honest()
    return replace(found, events={**found.events, "a": list(stored)})


def with_answer(answer: Answer) -> Evidence:
    found = honest()
    return replace(found, answers=[*found.answers, answer])


def with_watched(**changes: Any) -> Evidence:
    found = honest()
    return replace(found, watched=[replace(found.watched[0], **changes)])


def unasked() -> Evidence:
    found = honest()
    return replace(found, answers=found.answers[:1])


def twice() -> Evidence:
    other = Execution("sig-b", 10, 2001)
    return replace(honest(), executions={"a": [EXECUTION, other]})


def attempts(*numbers: int) -> list[StoredEvent]:
    statuses = ("pending", "routing", "pending", "routing", "pending", "failed")
    return [
        StoredEvent(seq, status, number)
        for seq, (status, number) in enumerate(zip(statuses, numbers, strict=False), start=1)
    ]


def asked(status: int | None, *, is_cancel: bool = True, **answer: Any) -> Evidence:
    """The first order is confirmed; its client had asked for a change."""
    values: dict[str, Any] = {"latency_s": 0.1, **answer}
    return replace(honest(), changes=[Change("a", is_cancel, status, **values)])


def amended(*versions: int) -> Evidence:
    path = ("waiting", "waiting", "pending", "routing", "building", "submitted", "confirmed")
    found = replace(
        with_order(version=7),
        watched=[],
        changes=[Change("a", False, 200, 0.1, "waiting", version) for version in versions],
    )
    return replace(found, events={**found.events, "a": events(*path)})


def during(server: str, answer: Answer) -> Evidence:
    return replace(with_answer(answer), outages=[Outage(server, 19.0, 21.0)])


def behind(*moments: tuple[float, float], usual: bool = True) -> Evidence:
    """Orders with these begins and ends, behind a backlog that was done at 200."""
    times = [(90.0, 91.0)] * usual + list(moments)
    orders = {
        str(number): order("", "failed", 3, created_at=created_at, ended_at=ended_at)
        for number, (created_at, ended_at) in enumerate(times)
    }
    return Evidence(orders, {}, {}, {}, {}, backlogs=[Backlog(85.0, 100.0, 200.0)])


BROKEN: list[tuple[str, Evidence]] = [
    ("accepted_is_stored", with_answer(Answer(12.0, 0.1, 202, "nowhere"))),
    ("stored_is_asked_for", unasked()),
    ("all_are_terminal", with_order(status="submitted", is_due=True)),
    ("one_terminal_event", with_events(*events(*PATH, "confirmed"))),
    ("one_terminal_event", with_events(*events(*PATH[:4]))),
    ("executed_at_most_once", twice()),
    ("executed_iff_confirmed", replace(honest(), executions={})),
    ("executed_iff_confirmed", replace(honest(), executions={"b": [EXECUTION]})),
    ("executed_iff_confirmed", replace(honest(), executions={"stranger": [EXECUTION]})),
    ("amounts_agree", replace(honest(), settlements={"a": [replace(EXECUTION, quote_amount=1)]})),
    ("amounts_agree", replace(honest(), settlements={})),
    ("amounts_agree", with_order(filled=(10, 1999))),
    ("amounts_agree", with_order(tx_hash="sig-other")),
    ("no_gaps", with_events(*(each for each in events(*PATH) if each.seq != 3))),
    ("no_gaps", with_order(version=6)),
    ("only_allowed_transitions", with_events(*events("pending", "building", "failed"))),
    ("only_allowed_transitions", with_events(*events("routing", "failed"))),
    ("attempts_are_counted", with_events(*attempts(1, 1, 2, 2, 4, 4))),
    ("attempts_are_counted", with_events(*attempts(1, 1, 1, 1))),
    ("attempts_are_counted", with_events(*attempts(2, 2, 3, 3, 4, 4))),
    ("due_iff_open", with_order(is_due=True)),
    ("sockets_miss_nothing", with_watched(seqs=[1, 2, 4, 5])),
    ("sockets_miss_nothing", with_watched(seqs=[1, 2, 2, 3, 4, 5])),
    ("sockets_miss_nothing", with_watched(statuses=[*PATH[:4], "failed"])),
    ("sockets_miss_nothing", with_watched(has_ended=False)),
    ("sockets_miss_nothing", with_watched(refusal="after 2: 404")),
    ("only_503_is_an_error", with_answer(Answer(12.0, 0.1, 500))),
    ("no_post_hangs", with_answer(Answer(12.0, 15.0, None))),
    ("orders_are_taken_without_redis", during("redis", Answer(20.0, 0.1, 503))),
    ("orders_are_taken_without_redis", during("redis", Answer(20.0, 1.5, 202, "a"))),
    ("a_missing_database_is_told", during("postgres", Answer(20.0, 0.1, None))),
    ("messages_wait_once", replace(honest(), queues=[QueueSample(101.0, 141, 100)])),
    ("a_backlog_leaves_nothing_behind", behind((201.0, 204.1))),
    ("a_backlog_leaves_nothing_behind", behind()),
    ("a_backlog_leaves_nothing_behind", behind((201.0, 202.0), usual=False)),
    ("no_process_ends_by_itself", replace(honest(), ends=["worker ended by itself with 1"])),
    ("nothing_deadlocks", replace(honest(), deadlocks=["ERROR:  deadlock detected"])),
    ("changes_are_answered", asked(500)),
    ("changes_are_answered", asked(202, is_cancel=False)),
    ("changes_are_answered", asked(None, latency_s=11.0)),
    ("a_cancel_keeps_its_word", asked(200, told="canceled", version=5)),
    ("a_cancel_keeps_its_word", asked(202, told="submitted", version=5)),
    ("a_cancel_keeps_its_word", asked(409, told="expired", version=5)),
    ("requests_are_decided", with_order(is_to_be_canceled=True)),
    ("requests_are_decided", with_order(is_told_late=True)),
    ("requests_are_decided", with_order(status="failed", is_to_be_canceled=True)),
    ("requests_are_decided", with_order(status="canceled")),
    ("an_amendment_is_one_event", amended(3)),
    ("an_amendment_is_one_event", amended(2, 2)),
    ("no_fill_is_beyond_its_limit", with_order(is_beyond_limit=True)),
    ("time_is_kept", with_order(expires_at=102.0, signed_at=102.5)),
    ("time_is_kept", with_order(status="expired", expires_at=103.5)),
    ("rest_tells_the_truth", replace(honest(), shown={"a": "confirmed"})),
    ("rest_tells_the_truth", replace(honest(), shown={"a": "submitted", "b": "failed"})),
]


def test_an_honest_run_breaks_nothing() -> None:
    assert violations(honest()) == []


@pytest.mark.parametrize(
    "evidence",
    [
        amended(2),
        asked(None),
        asked(409, told="confirmed", version=5),
        asked(412, is_cancel=False, told="waiting", version=2),
        replace(
            asked(202, told="submitted", version=5),
            orders=with_order(is_to_be_canceled=True, is_told_late=True).orders,
        ),
    ],
)
def test_changes_that_are_answered_as_the_order_demands_break_nothing(evidence: Evidence) -> None:
    assert violations(evidence) == []


@pytest.mark.parametrize(("name", "evidence"), BROKEN)
def test_a_violation_is_found(name: str, evidence: Evidence) -> None:
    assert name in {each.invariant for each in violations(evidence)}


def test_orders_may_take_their_time_while_the_backlog_lasts() -> None:
    found = behind((110.0, 190.0), (201.0, 202.5))
    assert list(INVARIANTS["a_backlog_leaves_nothing_behind"](found)) == []


def test_every_invariant_is_seen_to_fail() -> None:
    assert {name for name, _ in BROKEN} == INVARIANTS.keys()


def test_an_unknown_answer_explains_one_more_order() -> None:
    found = replace(unasked(), answers=[*unasked().answers, Answer(12.0, 0.1, 503)])
    assert violations(found) == []


@pytest.mark.parametrize(
    ("server", "answer"),
    [
        ("postgres", Answer(20.0, 0.1, 503)),
        ("redis", Answer(20.0, 0.9, 202, "a")),
        ("redis", Answer(25.0, 0.1, 503)),
    ],
)
def test_an_outage_explains_its_own_answers(server: str, answer: Answer) -> None:
    assert violations(during(server, answer)) == []


def test_the_counts_of_the_table_are_counts_of_orders() -> None:
    assert count(violations(twice()), EXECUTED_TWICE) == 1
    assert count(violations(with_order(status="submitted", is_due=True)), LOST) == 1
    assert count(violations(with_watched(seqs=[1, 3])), GAPS) == 1


@pytest.mark.parametrize(("healed_at", "expected"), [([101.0], 2.0), ([99.0], 0.0), ([], 0.0)])
def test_recovery_is_counted_for_the_orders_that_were_open(
    healed_at: list[float], expected: float
) -> None:
    assert recovery_s(honest(), healed_at) == expected
