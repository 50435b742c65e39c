"""Invariants that must hold whatever was broken; each yields its violations. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchmarks.client import ACCEPTED
from benchmarks.figures import percentile
from chaos.change_invariants import HANG_S, OF_CHANGES
from chaos.evidence import Evidence, Execution, Finding
from chaos.load import UNAVAILABLE, Answer
from orderengine.domain.order import TRANSITIONS, OrderStatus

MAX_ATTEMPTS = 3
REDIS = "redis"
POSTGRES = "postgres"
P99_WITHOUT_REDIS_S = 1.0
MESSAGES_PER_ORDER = 1.2
MESSAGES_IN_HAND = 20
"""Orders whose message was just taken may get another one: two for each slot."""
LONGEST_ORDER_S = 2.0
USUAL_SLACK_S = 2.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant, the order that breaks it (if any), and how."""

    invariant: str
    order_id: str | None
    detail: str


Invariant = Callable[[Evidence], Iterable[Finding]]


def accepted_is_stored(evidence: Evidence) -> Iterator[Finding]:
    """Every order answered with 2xx is stored."""
    for answer in evidence.answers:
        if answer.order_id and answer.order_id not in evidence.orders:
            yield answer.order_id, "was accepted and is not stored"


def stored_is_asked_for(evidence: Evidence) -> Iterator[Finding]:
    """Every stored order was accepted, or its answer was lost or a 503."""
    unknown = sum(each.status in (None, UNAVAILABLE) for each in evidence.answers)
    accepted = {each.order_id for each in evidence.answers if each.order_id}
    more = len(evidence.orders.keys() - accepted)
    if more > unknown:
        yield None, f"{more} orders were not accepted, and only {unknown} answers are unknown"


def all_are_terminal(evidence: Evidence) -> Iterator[Finding]:
    """Every order ended in time, also those whose client got no answer."""
    for order in evidence.orders.values():
        if not OrderStatus(order.status).is_terminal:
            yield order.order_id, f"is still {order.status} at version {order.version}"


def one_terminal_event(evidence: Evidence) -> Iterator[Finding]:
    """A terminal order has one terminal event, its last; another order has none."""
    for order in evidence.orders.values():
        statuses = [each.status for each in evidence.events.get(order.order_id, ())]
        terminal = [each for each in statuses if OrderStatus(each).is_terminal]
        is_terminal = OrderStatus(order.status).is_terminal
        if terminal != ([order.status] if is_terminal else []) or statuses[-1:] != [order.status]:
            yield order.order_id, f"is {order.status} and its events are {statuses}"


def executed_at_most_once(evidence: Evidence) -> Iterator[Finding]:
    """The network executed no order twice."""
    for order_id, executions in evidence.executions.items():
        if len(executions) > 1:
            yield order_id, f"was executed {len(executions)} times"


def executed_iff_confirmed(evidence: Evidence) -> Iterator[Finding]:
    """The network executed the confirmed orders, and no others."""
    for order in evidence.orders.values():
        executed = bool(evidence.executions.get(order.order_id))
        if executed != (order.status == OrderStatus.CONFIRMED):
            yield order.order_id, f"is {order.status} and {'was' if executed else 'not'} executed"
    for order_id in evidence.executions.keys() - evidence.orders.keys():
        yield order_id, "was executed and is not stored"


def amounts_agree(evidence: Evidence) -> Iterator[Finding]:
    """Ledger, settlement and fill name the same signature and amounts."""
    for order in evidence.orders.values():
        booked = list(evidence.settlements.get(order.order_id, ()))
        executed = list(evidence.executions.get(order.order_id, ()))
        filled = [Execution(order.tx_hash, *order.filled)] if order.tx_hash and order.filled else []
        if not booked == executed == filled:
            yield order.order_id, f"ledger {executed}, settlements {booked}, fill {filled}"


def no_gaps(evidence: Evidence) -> Iterator[Finding]:
    """`seq` counts from 1 to the order's version."""
    for order in evidence.orders.values():
        seqs = [each.seq for each in evidence.events.get(order.order_id, ())]
        if seqs != list(range(1, order.version + 1)):
            yield order.order_id, f"is at version {order.version} with events {seqs}"


def only_allowed_transitions(evidence: Evidence) -> Iterator[Finding]:
    """The state machine's table allows each event after the one before it."""
    for order_id, events in evidence.events.items():
        if events[0].status not in {OrderStatus.WAITING, OrderStatus.PENDING}:
            yield order_id, f"begins as {events[0].status}"
        for before, after in pairwise(events):
            if OrderStatus(after.status) not in TRANSITIONS[OrderStatus(before.status)].values():
                yield order_id, f"went from {before.status} to {after.status} at {after.seq}"


def attempts_are_counted(evidence: Evidence) -> Iterator[Finding]:
    """At most three attempts from one start to the next; each failed one and each rest adds 1."""
    for order_id, events in evidence.events.items():
        first = 1
        for before, after in pairwise(events):
            has_waited = before.status == OrderStatus.WAITING
            if has_waited and after.status == OrderStatus.PENDING:
                first = after.attempt
            begins = after.status in {OrderStatus.WAITING, OrderStatus.PENDING} and not has_waited
            if after.attempt != before.attempt + begins:
                yield order_id, f"attempt {before.attempt} became {after.attempt} at {after.seq}"
            is_tried = after.status != OrderStatus.WAITING and not has_waited
            if is_tried and after.attempt - first >= MAX_ATTEMPTS:
                yield order_id, f"is in attempt {after.attempt} after a start in {first}"


def due_iff_open(evidence: Evidence) -> Iterator[Finding]:
    """Recovery watches every open order, and no other."""
    for order in evidence.orders.values():
        if order.is_due == OrderStatus(order.status).is_terminal:
            yield order.order_id, f"is {order.status} and {'' if order.is_due else 'not '}due"


def sockets_miss_nothing(evidence: Evidence) -> Iterator[Finding]:
    """A client got every event exactly once and in order, over all its connections."""
    for watched in evidence.watched:
        stored = evidence.events.get(watched.order_id, ())
        if watched.refusal:
            yield watched.order_id, f"a socket was refused {watched.refusal}"
        elif not watched.has_ended:
            yield watched.order_id, f"a socket was not ended, it has {watched.seqs}"
        elif watched.seqs != [each.seq for each in stored]:
            yield watched.order_id, f"a socket got {watched.seqs}"
        elif watched.statuses != [each.status for each in stored]:
            yield watched.order_id, f"a socket got {watched.statuses}"


def only_503_is_an_error(evidence: Evidence) -> Iterator[Finding]:
    """A request that the API cannot carry out gets a 503, or its connection dies."""
    for answer in evidence.answers:
        if answer.status not in (None, ACCEPTED, UNAVAILABLE):
            yield answer.order_id, f"POST was answered with {answer.status}"


def no_post_hangs(evidence: Evidence) -> Iterator[Finding]:
    """Every request is answered, or its connection ends, in time."""
    for answer in evidence.answers:
        if answer.latency_s > HANG_S:
            yield answer.order_id, f"POST took {answer.latency_s:.1f} s ({answer.status})"


def orders_are_taken_without_redis(evidence: Evidence) -> Iterator[Finding]:
    """While Redis is away every POST is accepted, with a p99 within a second."""
    answers = _during(evidence, REDIS)
    for answer in answers:
        if answer.status != ACCEPTED:
            yield answer.order_id, f"POST was answered with {answer.status} while Redis was away"
    latencies_s = [answer.latency_s for answer in answers]
    if latencies_s and (p99_s := percentile(latencies_s, 99)) > P99_WITHOUT_REDIS_S:
        yield None, f"POST took {p99_s:.2f} s at p99 while Redis was away"


def a_missing_database_is_told(evidence: Evidence) -> Iterator[Finding]:
    """While PostgreSQL is away a POST is answered: with 503, or because it came back."""
    for answer in _during(evidence, POSTGRES):
        if answer.status not in (ACCEPTED, UNAVAILABLE):
            yield None, f"POST was answered with {answer.status} while PostgreSQL was away"


def _during(evidence: Evidence, server: str) -> list[Answer]:
    outages = [each for each in evidence.outages if each.server == server]
    return [
        answer
        for answer in evidence.answers
        if any(each.began_at <= answer.asked_at <= each.ended_at for each in outages)
    ]


def messages_wait_once(evidence: Evidence) -> Iterator[Finding]:
    """The queues hold hardly more messages than there are open orders, whatever the outage."""
    for sample in evidence.queues:
        if sample.messages > MESSAGES_PER_ORDER * sample.open_orders + MESSAGES_IN_HAND:
            yield None, f"{sample.messages} messages waited for {sample.open_orders} orders"


def a_backlog_leaves_nothing_behind(evidence: Evidence) -> Iterator[Finding]:
    """After a backlog, orders take as long as they took before it."""
    for backlog in evidence.backlogs:
        usual = _took_s(evidence, backlog.usual_from, backlog.began_at - LONGEST_ORDER_S)
        behind = _took_s(evidence, backlog.drained_at, float("inf"))
        if not usual or not behind:
            yield None, f"{len(usual)} orders came before the backlog, {len(behind)} behind it"
        elif median(behind) > median(usual) + USUAL_SLACK_S:
            found = f"took {median(behind):.1f} s instead of {median(usual):.1f} s"
            yield None, f"orders behind a backlog {found}"


def _took_s(evidence: Evidence, since: float, until: float) -> list[float]:
    return [
        order.ended_at - order.created_at
        for order in evidence.orders.values()
        if order.ended_at is not None and since <= order.created_at <= until
    ]


def rest_tells_the_truth(evidence: Evidence) -> Iterator[Finding]:
    """REST lists every order as it is stored."""
    stored = {order.order_id: order.status for order in evidence.orders.values()}
    for order_id in stored.keys() | evidence.shown.keys():
        if stored.get(order_id) != evidence.shown.get(order_id):
            shown = evidence.shown.get(order_id, "not listed")
            yield order_id, f"is {stored.get(order_id, 'not stored')} and {shown}"


def no_process_ends_by_itself(evidence: Evidence) -> Iterator[Finding]:
    """No web or worker process ends unless it is killed or told to."""
    for end in evidence.ends:
        yield None, end


def nothing_deadlocks(evidence: Evidence) -> Iterator[Finding]:
    """PostgreSQL never had to end a statement because two waited for each other's rows."""
    for line in evidence.deadlocks:
        yield None, line


INVARIANTS: Mapping[str, Invariant] = {
    each.__name__: each
    for each in (
        accepted_is_stored,
        stored_is_asked_for,
        all_are_terminal,
        one_terminal_event,
        executed_at_most_once,
        executed_iff_confirmed,
        amounts_agree,
        no_gaps,
        only_allowed_transitions,
        attempts_are_counted,
        due_iff_open,
        sockets_miss_nothing,
        only_503_is_an_error,
        no_post_hangs,
        orders_are_taken_without_redis,
        a_missing_database_is_told,
        messages_wait_once,
        a_backlog_leaves_nothing_behind,
        rest_tells_the_truth,
        no_process_ends_by_itself,
        nothing_deadlocks,
        *OF_CHANGES,
    )
}

GETS_THROUGH = "the_suite_gets_through"
"""Broken by a run that ended early, whatever the engine did."""

LOST = ("accepted_is_stored", "all_are_terminal")
EXECUTED_TWICE = ("executed_at_most_once",)
GAPS = ("no_gaps", "sockets_miss_nothing")


def violations(evidence: Evidence) -> list[Violation]:
    """All violations, invariant by invariant."""
    return [
        Violation(name, order_id, detail)
        for name, invariant in INVARIANTS.items()
        for order_id, detail in invariant(evidence)
    ]


def count(found: Iterable[Violation], invariants: Iterable[str]) -> int:
    """The number of orders that break one of these invariants."""
    names = set(invariants)
    return len({each.order_id for each in found if each.invariant in names})
