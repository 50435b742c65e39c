"""A process has at most as many orders in hand as slots, however its threads group them."""

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID, uuid4

import pytest

from harness.waiting import wait_until
from orderengine.execution.chain.slots import GROUP_MAX, QUICK_S, RECENT, REMEMBERED, Pace, Slots

TIMEOUT_S = 10.0


def is_left(slots: Slots) -> bool:
    """Whether another new order would get a slot at once."""
    return slots._free >= slots._enough


def is_full(slots: Slots) -> bool:
    """`Slots.is_full`, of which mypy expects that it stays as it is."""
    return slots.is_full


class Counter:
    """The orders in hand of all threads, and the most that there ever were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 0
        self.most = 0

    def add(self, count: int) -> None:
        with self._lock:
            self.now += count
            self.most = max(self.most, self.now)


@pytest.mark.parametrize("limit", [1, 2, 5, 10])
def test_never_more_orders_than_slots_are_in_hand(limit: int) -> None:
    slots, counter = Slots(limit), Counter()

    def run_stages(seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311
        for _ in range(30):
            held = slots.take(1, rng.choice([1, GROUP_MAX]))
            assert 1 <= held <= limit
            counter.add(held)
            for stay in sorted((rng.randint(0, held) for _ in range(3)), reverse=True):
                counter.add(stay - held)
                held = stay
                slots.hold(held)
                os.sched_yield()
            counter.add(-held)
            slots.leave()

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(run_stages, range(10), timeout=TIMEOUT_S))
    assert counter.now == 0
    assert counter.most == limit
    assert slots.take(limit) == limit


def in_a_thread(
    slots: Slots, least: int, most: int | None = None, *, urgent: bool = False
) -> list[int]:
    """Take slots in another thread; the list gets how many, as soon as it has them."""
    return started(slots, lambda: slots.take(least, most, urgent=urgent))


def started(slots: Slots, wait: Callable[[], int]) -> list[int]:
    """Wait for slots in another thread; the list gets how many, as soon as it has them."""
    got: list[int] = []
    before = len(slots._waiting)

    def take() -> None:
        got.append(wait())

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    wait_until(lambda: bool(got) or len(slots._waiting) != before, TIMEOUT_S, pause_s=0.001)
    return got


def wait_for(got: list[int]) -> int:
    wait_until(lambda: bool(got), TIMEOUT_S, pause_s=0.001)
    return got[0]


def test_a_thread_takes_what_is_free_up_to_a_group() -> None:
    slots = Slots(7)
    assert slots.take(1, 5) == 5
    assert wait_for(in_a_thread(slots, 1, 5)) == 2
    assert not is_left(slots)
    waiting = in_a_thread(slots, 1, 5)
    assert waiting == []
    slots.hold(3)
    assert wait_for(waiting) == 2
    slots.leave()
    assert is_left(slots)


def test_those_who_wait_get_their_slots_in_turn_urgent_ones_first() -> None:
    slots = Slots(4)
    slots.take(4)
    first = in_a_thread(slots, 1, 2)
    second = in_a_thread(slots, 1, 1)
    urgent = in_a_thread(slots, 3, urgent=True)
    slots.hold(2)
    assert (first, second, urgent) == ([], [], []), "the large one is not overtaken"
    slots.hold(1)
    assert wait_for(urgent) == 3
    assert (first, second) == ([], [])
    slots.leave()
    assert wait_for(first) == 1
    assert second == []


def test_more_than_all_slots_are_never_waited_for() -> None:
    slots = Slots(3)
    assert slots.take(5) == 3
    assert slots.take(1, 5) == 3, "a thread gives back what it held"


def test_a_thread_that_goes_on_with_its_orders_does_not_wait() -> None:
    slots = Slots(5)
    assert slots.take(1, 5) == 5
    urgent = in_a_thread(slots, 1, urgent=True)
    slots.hold(5)
    assert urgent == []
    slots.hold(4)
    assert wait_for(urgent) == 1


def test_what_was_taken_along_is_remembered_for_a_while() -> None:
    slots, own, other = Slots(10), (uuid4(), 1), (uuid4(), 1)
    slots.note_group(5, 5, [own, other], own)
    assert slots.took_along(other)
    assert not slots.took_along(own)
    slots.note_group(5, 5, [(UUID(int=number), 1) for number in range(REMEMBERED)], own)
    assert not slots.took_along(other)
    assert slots.took_along((UUID(int=0), 1))


def test_the_companions_of_an_order_are_told_once_for_each_group() -> None:
    slots, own, group = Slots(10), (uuid4(), 1), [(uuid4(), 1) for _ in range(3)]
    slots.note_group(5, 5, [own, *group], own)
    slots.note_group(5, 5, [other := (uuid4(), 1)], (uuid4(), 1))
    assert slots.companions(own) == []
    assert slots.companions(group[1]) == [group[0], group[2]]
    assert slots.companions(group[2]) == slots.companions(other) == []
    assert all(slots.took_along(each) for each in group)


def test_a_thread_whose_order_was_taken_along_waits_no_longer() -> None:
    slots, ids = Slots(5), [(uuid4(), 1) for _ in range(3)]
    slots.take(5)
    waiting = [started(slots, partial(slots.take_for_group, 5, each)) for each in ids]
    slots.note_group(5, 5, ids[:2], (uuid4(), 1))
    assert [wait_for(got) for got in waiting[:2]] == [0, 0]
    assert waiting[2] == []
    slots.leave()
    assert wait_for(waiting[2]) == 5
    assert slots.take_for_group(5, ids[0]) == 0, "one that comes later does not wait either"


def test_a_process_is_full_while_a_new_order_waits_and_no_slot_is_free() -> None:
    freed: list[int] = []
    slots = Slots(4, freed=lambda: freed.append(slots._free))
    slots.take(3)
    waiting = in_a_thread(slots, 3)
    assert not is_full(slots), "a slot is free for a stage of another order"
    assert wait_for(in_a_thread(slots, 1, urgent=True)) == 1
    assert is_full(slots)
    slots.hold(2)
    assert (is_full(slots), freed, waiting) == (False, [1], [])
    slots.leave()
    assert wait_for(waiting) == 3
    assert freed == [1], "it was not full any more"


def test_a_process_is_not_full_while_only_orders_wait_that_are_routed_already() -> None:
    slots = Slots(1)
    slots.take(1)
    assert in_a_thread(slots, 1, urgent=True) == []
    assert not is_full(slots)


def test_those_behind_an_order_that_was_taken_along_get_what_is_free() -> None:
    slots, first, second = Slots(5), (uuid4(), 1), (uuid4(), 1)
    slots.take(5)
    slots.note_group(5, 2, [first, second], first)  # from now on a group waits for all slots
    waiting = started(slots, partial(slots.take_for_group, 5, first))
    behind = in_a_thread(slots, 2)
    slots.hold(2)
    assert (waiting, behind) == ([], [])
    slots.note_group(5, 5, [first], second)
    assert (wait_for(waiting), wait_for(behind)) == (0, 2)


def test_an_order_that_starts_again_was_not_taken_along_by_its_start_before() -> None:
    slots, order_id = Slots(10), uuid4()
    slots.note_group(5, 5, [(uuid4(), 1), (order_id, 2)], (uuid4(), 1))
    assert slots.took_along((order_id, 2))
    assert not slots.took_along((order_id, 5))


def test_after_a_full_group_the_next_one_waits_for_room_and_after_a_small_one_not() -> None:
    slots, ids = Slots(10), [(uuid4(), 1) for _ in range(5)]
    assert slots.take_for_group(5, ids[0]) == 5
    slots.hold(2)
    assert wait_for(in_a_thread(slots, 6)) == 6
    slots.note_group(5, 5, ids, ids[0])
    assert not is_left(slots)
    slots.note_group(5, 5, ids[:4], ids[0])
    assert is_left(slots)
    slots.note_group(5, 2, ids[:2], ids[0])
    assert not is_left(slots), "the group had too little room"
    assert slots.take_for_group(1, (uuid4(), 1)) == 1, "slow quotes need no company"


def test_two_lone_orders_leave_the_other_slots_to_others() -> None:
    slots, own = Slots(10), (uuid4(), 1)
    room = slots.take_for_group(GROUP_MAX, own)
    slots.note_group(GROUP_MAX, room, [own], own)
    slots.hold(1)
    room = wait_for(in_a_thread(slots, 1, GROUP_MAX))
    assert room == 9
    slots.note_group(GROUP_MAX, room, [(uuid4(), 1)], (uuid4(), 1))
    slots.leave()
    assert is_left(slots)


def test_after_a_burst_a_process_with_nothing_in_hand_takes_single_orders_again() -> None:
    slots, ids = Slots(3), [(uuid4(), 1) for _ in range(3)]
    slots.note_group(3, slots.take_for_group(3, ids[0]), ids, ids[0])
    slots.leave()
    assert slots.take(1, urgent=True) == 1
    assert is_left(slots), "others may run beside it"


def test_a_process_with_few_slots_fills_them_with_one_group() -> None:
    slots, ids = Slots(3), [(uuid4(), 1) for _ in range(3)]
    assert slots.take_for_group(GROUP_MAX, ids[0]) == 3
    slots.note_group(3, 3, ids, ids[0])
    slots.leave()
    assert is_left(slots)
    assert slots.take_for_group(3, (uuid4(), 1)) == 3


def test_a_group_has_one_order_until_quotes_come_at_once_and_while_none_does() -> None:
    pace = Pace()
    assert pace.group_size == 1
    pace.took(QUICK_S / 2)
    assert pace.group_size == GROUP_MAX
    for _ in range(RECENT - 1):
        pace.took(1.0)
    assert pace.group_size == GROUP_MAX, "the others may have waited for a processor"
    pace.took(1.0)
    assert pace.group_size == 1
    pace.took(QUICK_S / 2)
    assert pace.group_size == GROUP_MAX


def test_slots_are_free_while_a_thread_waits_for_somebody_else() -> None:
    slots = Slots(3)
    slots.hold(2)
    taken: list[int] = []

    def take_and_leave() -> None:
        taken.append(slots.take(3))
        slots.leave()

    with slots.released():
        other = threading.Thread(target=take_and_leave)
        other.start()
        other.join(TIMEOUT_S)
    assert taken == [3]
    assert slots._free == 1
