"""All orders of a client, from the publisher to the hub, over a real Redis and PostgreSQL."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, text

from harness.waiting import wait_until
from orderengine.domain.events import Moved, OrderEvent
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.storage.clients import SqlClientOrders
from orderengine.storage.orders import SqlOrders
from orderengine.stream.client_follower import Bounds, ClientFollower
from orderengine.stream.hub import Hub
from orderengine.stream.messages import EVENTS_CHANNEL, event_text
from orderengine.stream.publisher import RedisEventPublisher
from orderengine.stream.replay import Cursor
from tests.integration.streams import NEVER_S
from tests.statements import sent_statements
from tests.steps import CONFIRMED, FAIL, RECOVER, Walk

TIMEOUT_S = 15.0
START = CONFIRMED[0]


class Desk:
    """Orders of clients, a publisher, and a hub that follows."""

    def __init__(self, url: str, database: Engine, poll_s: float, bounds: Bounds) -> None:
        self.orders = SqlOrders(database)
        self.redis = create_client(url, 0.5)
        self.publisher = RedisEventPublisher(self.redis, Breaker(skip_s=0.05), ProcessMetrics())
        clients = SqlClientOrders(database)
        self.hub = Hub(url, self.orders, clients, poll_s=poll_s, client_bounds=bounds)

    def publish(self, *moves: Moved) -> None:
        for moved in moves:
            self.publisher.publish(moved)

    def walk(self, client_id: str = "alice") -> Walk:
        """A new order, which is not published."""
        return Walk(self.orders, client_id)

    def follow(self, client_id: str = "alice", cursor: Cursor | None = None) -> ClientFollower:
        return self.hub.follow_client(client_id, self.hub.snapshot(client_id, cursor), cursor)

    def caught_up(self, client_id: str = "alice") -> ClientFollower:
        """A follower that has returned its first cursor, after the reads of a new subscription."""
        with self.follow(client_id):
            wait_until(lambda: self.hub.is_subscribed)
            follower = self.follow(client_id)
        to_cursor(follower)
        return follower

    def close(self) -> None:
        self.hub.close()
        self.redis.close()


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(redis_url: str, database: Engine) -> Iterator[MakeDesk]:
    with ExitStack() as stack:

        def make(poll_s: float = 0.1, bounds: Bounds | None = None) -> Desk:
            desk = Desk(redis_url, database, poll_s, bounds or Bounds())
            stack.callback(desk.close)
            return desk

        yield make


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    return make_desk()


def to_cursor(follower: ClientFollower) -> tuple[list[OrderEvent], Cursor]:
    """The events up to the next cursor after the replay, and that cursor."""
    events: list[OrderEvent] = []
    while (told := follower.next(TIMEOUT_S)) and (isinstance(told, OrderEvent) or told.is_replay):
        events += [told] if isinstance(told, OrderEvent) else []
    assert isinstance(told, Cursor), f"no cursor came after {len(events)} events"
    return events, told


def events_of(follower: ClientFollower, *walks: Walk) -> dict[Walk, list[int]]:
    """The `seq` of each event until all orders have ended."""
    got: dict[Walk, list[int]] = {walk: [] for walk in walks}
    by_id = {walk.order_id: walk for walk in walks}
    left = set(by_id)
    deadline = time.monotonic() + TIMEOUT_S
    while left:
        assert time.monotonic() < deadline, f"{len(left)} orders never ended"
        told = follower.next(TIMEOUT_S)
        if isinstance(told, OrderEvent):
            got[by_id[told.order_id]].append(told.seq)
            if told.status.is_terminal:
                left.discard(told.order_id)
    return got


def test_live_events_come_as_they_were_stored_and_without_a_query(make_desk: MakeDesk) -> None:
    desk = make_desk(poll_s=NEVER_S)
    with desk.caught_up() as follower:
        rereads = desk.hub.rereads
        walk = desk.walk()
        desk.publish(walk.first, *walk.steps(START, FAIL))
        told = [follower.next(TIMEOUT_S) for _ in range(3)]
        texts = [event_text(each) for each in told if isinstance(each, OrderEvent)]
        assert texts == [event_text(event) for event in walk.events]
        assert desk.hub.rereads == rereads


def test_the_orders_of_others_are_never_told(desk: Desk) -> None:
    with desk.caught_up() as follower, desk.caught_up("bob") as other:
        foreign, mine = desk.walk("bob"), desk.walk()
        desk.publish(foreign.first, *foreign.steps(START, FAIL))
        desk.publish(mine.first, *mine.steps(START, FAIL))
        assert events_of(follower, mine) == {mine: [1, 2, 3]}
        assert events_of(other, foreign) == {foreign: [1, 2, 3]}
        assert desk.hub.followers == 2
    assert desk.hub.followers == 0


def test_whoever_joins_late_gets_the_open_orders_from_their_beginning(desk: Desk) -> None:
    ended, is_open = desk.walk(), desk.walk()
    ended.steps(START, FAIL)
    desk.publish(is_open.first, *is_open.steps(START, RECOVER))
    with desk.follow() as follower:
        events, cursor = to_cursor(follower)
        assert [(event.order_id, event.seq) for event in events] == [
            (is_open.order_id, seq) for seq in (1, 2, 3)
        ]
        assert cursor == Cursor(is_open.order.updated_at)
        desk.publish(*is_open.steps(FAIL))
        assert events_of(follower, is_open) == {is_open: [4]}


def test_orders_that_redis_never_heard_of_are_found_within_a_poll(desk: Desk) -> None:
    with desk.caught_up() as follower:
        quick, slow = desk.walk(), desk.walk()
        quick.steps(FAIL)
        events, _ = to_cursor(follower)
        assert {(event.order_id, event.seq) for event in events} >= {
            (quick.order_id, 1),
            (quick.order_id, 2),
            (slow.order_id, 1),
        }
        slow.steps(FAIL)
        assert events_of(follower, slow) == {slow: [2]}


def test_the_loss_of_the_last_message_is_found_by_the_poll(desk: Desk) -> None:
    with desk.caught_up() as follower:
        walk = desk.walk()
        desk.publish(walk.first, *walk.steps(START))
        walk.steps(FAIL)
        assert events_of(follower, walk) == {walk: [1, 2, 3]}


def test_a_message_of_another_release_is_healed(desk: Desk) -> None:
    with desk.caught_up() as follower:
        walk = desk.walk()
        walk.steps(START, FAIL)
        for event in walk.events:
            desk.redis.publish(EVENTS_CHANNEL, event_text(event))
        assert events_of(follower, walk) == {walk: [1, 2, 3]}


def test_a_cursor_brings_back_what_ended_in_between(desk: Desk) -> None:
    with desk.follow() as follower:
        early = desk.walk()
        desk.publish(early.first, *early.steps(START))
        events_until = to_cursor(follower)
        while not any(event.seq == 2 for event in events_until[0]):
            events_until = to_cursor(follower)
        cursor = events_until[1]
    missed = [desk.walk() for _ in range(5)]
    for walk in (early, *missed):
        walk.steps(FAIL)
    with desk.follow(cursor=cursor) as again:
        got = events_of(again, early, *missed)
    assert got == {early: [1, 2, 3], **{walk: [1, 2] for walk in missed}}


# Fails an order like a stage, in a transaction that is still open.
BEGIN_FAILING = text(
    """
WITH o AS (
    UPDATE orders SET status = 'failed', version = 2, due_at = NULL, updated_at = now()
    WHERE id = :id RETURNING *
)
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT id, version, status, attempt, updated_at, '{}' FROM o"""
)


def test_a_step_that_commits_late_is_told_and_lost_to_no_cursor(
    desk: Desk, database: Engine
) -> None:
    walk = desk.walk()
    with desk.follow() as follower, database.connect() as connection:
        _, cursor = to_cursor(follower)
        slow = connection.execution_options(isolation_level="READ COMMITTED")
        slow.execute(BEGIN_FAILING, {"id": walk.order_id})
        others = [desk.walk() for _ in range(3)]
        for other in others:
            desk.publish(other.first, *other.steps(FAIL))
        events_of(follower, *others)
        assert follower.next(0.5) is None, "a cursor beyond an open order"
        slow.commit()
        assert walk.events[-1].occurred_at < others[0].events[0].occurred_at
        assert events_of(follower, walk) == {walk: [2]}
    with desk.follow(cursor=cursor) as again:
        got = events_of(again, walk, *others)
    assert got == {each: [1, 2] for each in (walk, *others)}


def test_a_reader_slower_than_its_queue_gets_everything_and_hurts_nobody(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk(bounds=Bounds(events=8))
    with desk.caught_up() as slow, desk.caught_up() as quick:
        walks = [desk.walk() for _ in range(20)]
        for walk in walks:
            desk.publish(walk.first, *walk.steps(START, RECOVER, RECOVER, FAIL))
        every = {walk: [1, 2, 3, 4, 5] for walk in walks}
        assert events_of(quick, *walks) == every
        assert events_of(slow, *walks) == every


def test_more_orders_than_can_be_followed_end_the_stream_and_no_other(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk(bounds=Bounds(orders=3))
    with desk.caught_up() as follower, desk.caught_up("bob") as other:
        for _ in range(4):
            desk.publish(desk.walk().first)
        wait_until(lambda: follower.overrun)
        walk = desk.walk("bob")
        desk.publish(walk.first, *walk.steps(FAIL))
        assert events_of(other, walk) == {walk: [1, 2]}
        assert not other.overrun


def test_whatever_is_lost_repeated_or_late_each_client_sees_its_events_once(desk: Desk) -> None:
    chance = random.Random(11)  # noqa: S311
    clients = ("alice", "bob", "carol")
    followers = [(client, desk.follow(client)) for client in clients for _ in range(2)]
    walks = {client: [desk.walk(client) for _ in range(12)] for client in clients}
    moves = [
        moved
        for owned in walks.values()
        for walk in owned
        for moved in (walk.first, *walk.steps(START, *[RECOVER] * chance.randint(0, 3), FAIL))
    ]
    with ThreadPoolExecutor(len(followers)) as threads:
        results = [
            (client, threads.submit(events_of, follower, *walks[client]))
            for client, follower in followers
        ]
        desk.publish(*chance.choices(moves, k=len(moves)))  # a third of them is never published
        for client, result in results:
            expected = {walk: list(range(1, walk.order.version + 1)) for walk in walks[client]}
            assert result.result() == expected
    for _, follower in followers:
        follower.close()


def test_many_followers_of_many_orders_cost_a_few_queries(
    make_desk: MakeDesk, database: Engine
) -> None:
    desk = make_desk(poll_s=NEVER_S)
    walks = [desk.walk() for _ in range(50)]
    followers = [desk.caught_up() for _ in range(10)]
    for walk in walks:
        walk.steps(FAIL)
    with sent_statements(database) as seen:
        desk.redis.client_kill_filter(_type="pubsub")  # a new subscription reads the store
        for follower in followers:
            assert len(events_of(follower, *walks)) == 50
    assert 2 <= len(seen) <= 6, seen
