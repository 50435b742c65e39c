"""The parts of the benchmark: what each does, and its limits."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.figures import percentile
from benchmarks.sockets.desk import Desk, Load

FEW = 100
FOLLOWED_BY = 10
OLD = 200
"""The sockets that a process served when each held two threads."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure; `limit` is the most that it may be."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def holds(self) -> bool:
        """Whether it is within its limit."""
        return self.limit is None or self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Size:
    """How many sockets, and how long each stretch of events is."""

    sockets: int
    seconds: float
    idle_s: float = 30.0
    """Longer than the 25 s in which each socket is pinged once."""

    @property
    def few(self) -> int:
        """The sockets of the stretch that others are compared with."""
        return max(FOLLOWED_BY, min(FEW, self.sockets // 10))


def shared(desk: Desk, size: Size) -> Iterator[Figure]:
    """Ten sockets on each order."""
    orders = desk.mover.place(size.sockets // FOLLOWED_BY)
    yield from _many(desk, size, orders, FOLLOWED_BY)


def different(desk: Desk, size: Size) -> Iterator[Figure]:
    """An order for each socket."""
    yield from _many(desk, size, desk.mover.place(size.sockets), 1)


def _many(desk: Desk, size: Size, orders: list[str], each: int) -> Iterator[Figure]:
    some = size.few // each
    desk.load(orders[:some], 1.0)  # every connection and statement once
    alone = desk.load(orders[:some], size.seconds)
    desk.open(orders[:some], each)
    few = desk.load(orders[:some], size.seconds)
    desk.leave()
    before_kb = desk.memory_kb()
    open_s = desk.open(orders, each)
    yield Figure("all open", open_s, "s", 60.0)
    yield Figure("memory of a socket", (desk.memory_kb() - before_kb) / size.sockets, "KB", 20.0)
    yield Figure("idle", desk.cpu_share(size.idle_s) * 100, "% of a core", 3.0)
    many = desk.load(orders, size.seconds)
    desk.settle(size.sockets)
    yield from _compared(alone, few, many, size)
    desk.leave()


def _compared(alone: Load, few: Load, many: Load, size: Size) -> Iterator[Figure]:
    for percent, limit in ((50, 2.0), (99, 4.0)):
        yield Figure(f"commit to socket, p{percent} of {size.few}", few.late(percent), "ms")
        yield Figure(f"the same of {size.sockets}", many.late(percent), "ms")
        yield Figure("ratio", many.late(percent) / few.late(percent), "x", limit)
    for name, load in (("without sockets", alone), (f"with {size.few}", few)):
        yield Figure(f"CPU {name}", load.cpu_share * 100, "% of a core")
    yield Figure(f"CPU with {size.sockets}", many.cpu_share * 100, "% of a core")
    yield Figure(f"POST p99 with {size.few}", few.post(99), "ms")
    yield Figure("POST p99 without sockets", alone.post(99), "ms")
    yield Figure(f"the same with {size.sockets}", many.post(99), "ms")
    yield Figure("ratio", many.post(99) / alone.post(99), "x", 1.3)


def one(desk: Desk, size: Size) -> Iterator[Figure]:
    """One event to all: from the first socket that has it to the last, the median of nine."""
    orders = desk.mover.place(1)
    desk.open(orders, size.sockets)
    spans: list[float] = []
    for _ in range(9):
        desk.mover.move_all(orders)
        times = [at for *_, at in desk.settle(size.sockets).arrived]
        spans.append((max(times) - min(times)) * 1000)
    yield Figure("from the first to the last", percentile(spans, 50), "ms", 300.0)
    yield Figure("the same, the worst", max(spans), "ms")
    desk.leave()


def deaf(desk: Desk, size: Size) -> Iterator[Figure]:
    """Two of five clients stop reading; what the others get meanwhile."""
    orders = desk.mover.place(size.sockets // FOLLOWED_BY)
    desk.open(orders, FOLLOWED_BY)
    all_read = desk.load(orders, size.seconds)
    desk.crowd.call("turn_deaf", size.sockets * 2 // 5)
    some_read = desk.load(orders, size.seconds)
    yield Figure("commit to socket, p99 while all read", all_read.late(99), "ms")
    yield Figure("the same while 2 of 5 do not", some_read.late(99), "ms")
    yield Figure("ratio", some_read.late(99) / all_read.late(99), "x", 1.2)
    desk.leave()


def again(desk: Desk, size: Size) -> Iterator[Figure]:
    """All connections break and come back at once with `after`, and each has missed a step."""
    orders = desk.mover.place(size.sockets)
    desk.open(orders)
    posting = desk.posting(size.seconds)
    began = time.monotonic()
    desk.crowd.call("again")
    desk.mover.move_all(orders[: size.sockets // FOLLOWED_BY])
    desk.settle(size.sockets)
    took_s = time.monotonic() - began
    yield Figure("all caught up", took_s, "s", 30.0)
    yield Figure("POST p99 meanwhile", percentile(posting.result().latencies_ms, 99), "ms")
    desk.leave()


def old(desk: Desk, size: Size) -> Iterator[Figure]:
    """The old number of sockets, to be compared with an earlier commit."""
    count = min(OLD, size.sockets)
    orders = desk.mover.place(count // FOLLOWED_BY)
    desk.load(orders, 1.0)
    before_kb = desk.memory_kb()
    desk.open(orders, FOLLOWED_BY)
    yield Figure("memory of the sockets", desk.memory_kb() - before_kb, "KB")
    found = desk.load(orders, size.seconds)
    for percent in (50, 99):
        yield Figure(f"commit to socket, p{percent}", found.late(percent), "ms")
    yield Figure("POST p99", found.post(99), "ms")
    yield Figure("memory of the process", desk.memory_kb() / 1024, "MB")
    desk.leave()


Part = Callable[[Desk, Size], Iterator[Figure]]

PARTS: Mapping[str, Part] = {
    "shared": shared,
    "different": different,
    "one": one,
    "deaf": deaf,
    "again": again,
}
OTHERS: Mapping[str, Part] = {"old": old}
