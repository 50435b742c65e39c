"""Followers of a client without a server: a store, from which a test has them read."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from orderengine.domain.events import OrderEvent
from orderengine.domain.moves import Move
from orderengine.domain.order import OrderStatus
from orderengine.stream.client_follower import Bounds, ClientFollower
from orderengine.stream.client_streams import ClientStreams
from orderengine.stream.looks import FULL_LOOK_EVERY
from orderengine.stream.replay import Cursor
from tests.builders import A_REST, A_TRIGGER
from tests.fakes import FakeClock, FakeOrders
from tests.steps import CONFIRMED, FAIL, RECOVER, Walk

FAR = 10_000


class Desk:
    """A store, and followers of `alice` that read it when a test says so."""

    def __init__(self, events: int = 64, orders: int = FAR) -> None:
        self.clock = FakeClock()
        self.orders = FakeOrders(self.clock)
        self.streams = ClientStreams(self.orders, self.orders, Bounds(events, orders))
        self.asked = 0

    def walk(self, client_id: str = "alice", *, waits: bool = False) -> Walk:
        self.clock.advance(0.001)
        return Walk(self.orders, client_id, waits=waits)

    def cancel(self, walk: Walk) -> None:
        """Cancel an order of `alice` that is not submitted."""
        self.clock.advance(0.001)
        moved = self.orders.cancel("alice", walk.order_id)
        assert moved is not None
        walk.moved = moved

    def late(self, late_s: float, step: Callable[[], object]) -> None:
        """Make a step that began `late_s` ago, and is committed now."""
        now = self.clock.moment
        self.clock.advance(-late_s)
        step()
        self.clock.moment = now

    def follow(self, cursor: Cursor | None = None) -> ClientFollower:
        self.clock.advance(0.001)
        first = self.streams.snapshot("alice", cursor)
        since = first.taken_at if cursor is None else cursor.at
        follower = ClientFollower(
            "alice",
            first,
            since,
            self.streams.bounds,
            self._ask,
            self.streams.discard,
            None if cursor is None else cursor.sent,
        )
        self.streams.add(follower)
        return follower

    def poll(self) -> None:
        """Read for all followers, as the hub does once a second."""
        self.clock.advance(1)
        rounds = 0
        more = self.streams.read(everything=True)
        while more:
            more = self.streams.read(everything=False)
            rounds += 1
            assert rounds < 1000, "it never ends"

    def _ask(self) -> None:
        self.asked += 1


Told = OrderEvent | Cursor


def drain(follower: ClientFollower) -> list[Told]:
    told: list[Told] = []
    while (each := follower.next(0)) is not None:
        told.append(each)
    return told


def seqs(told: Sequence[Told], walk: Walk) -> list[int]:
    return [e.seq for e in told if isinstance(e, OrderEvent) and e.order_id == walk.order_id]


def is_caught_up(told: Sequence[Told]) -> bool:
    return bool(told) and isinstance(told[-1], Cursor) and not told[-1].is_replay


def cursors(told: Sequence[Told]) -> list[Cursor]:
    """All cursors, including those of the replay."""
    return [each for each in told if isinstance(each, Cursor)]


class Play:
    """One follower, and orders whose messages get lost, late and repeated."""

    def __init__(self, limit: int) -> None:
        self.desk = Desk(events=limit)
        self.follower = self.desk.follow()
        self.walks: list[Walk] = []
        self.told: list[Told] = []
        self.told_before: list[Told] = []

    def act(self, act: str, which: int) -> None:
        self.desk.clock.advance(0.1)
        if act in {"accept", "wait"}:
            self.walks.append(self.desk.walk(waits=act == "wait"))
        elif act == "poll":
            self.desk.poll()
        elif act == "read":
            self.told += drain(self.follower)
        elif self.walks:
            walk = self.walks[which % len(self.walks)]
            if act == "publish":
                self.follower.deliver(walk.events[which % len(walk.events)])
            elif not walk.order.status.is_terminal:
                self._commit(walk, _step(walk, which), late_s=which if act == "commit late" else 0)

    def _commit(self, walk: Walk, move: Move | None, late_s: float) -> None:
        """Make a move that began `late_s` ago, but after the order's previous step."""
        clock = self.desk.clock
        now = clock.moment
        clock.moment = max(walk.order.updated_at, now - timedelta(seconds=late_s))
        clock.advance(0.001)
        if move is None:
            self.desk.cancel(walk)
        else:
            walk.step(move)
        clock.moment = now

    def come_back(self) -> None:
        """Continue from the last cursor on another connection; the queued messages are lost."""
        if found := cursors(self.told):
            self.follower.close()
            self.told_before += self.told
            self.told = []
            self.follower = self.desk.follow(found[-1])

    def finish(self) -> None:
        rounds = 3 * sum(len(walk.events) for walk in self.walks) + 3
        for _ in range(rounds + int(FULL_LOOK_EVERY.total_seconds()) + 1):
            self.desk.poll()
            self.told += drain(self.follower)


def _step(walk: Walk, which: int) -> Move | None:
    """A move that the order can make; None stands for a cancel."""
    match walk.order.status:
        case OrderStatus.WAITING:
            return None if which < 3 else A_TRIGGER
        case OrderStatus.PENDING:
            return FAIL if which < 3 else CONFIRMED[0]
    if which < 3:
        return FAIL
    return A_REST if walk.order.limit_price is not None and which < 6 else RECOVER


class Time:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()
