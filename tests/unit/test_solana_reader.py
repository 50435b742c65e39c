"""One read of a symbol's pools serves all, is from one moment, and is never an old one."""

import threading
from collections.abc import Sequence

import pytest
from solders.pubkey import Pubkey

from generators.layouts import TOKEN, key
from orderengine.domain.errors import VenueUnavailable
from orderengine.solana.accounts import CLOCK
from orderengine.solana.pools.localnet import LocalnetPool
from orderengine.solana.pools.pool import Accounts
from orderengine.solana.reader import KEPT_S, MOST_SLOTS_BACK
from orderengine.solana.refusals import AccountRefused
from tests.fake_chain import CHAIN_S, a_desk, listed
from tests.fakes import START
from tests.solana_pools import POOL, a_clock, a_localnet_pool, changed


def test_a_read_tells_its_slot_its_time_and_the_pools() -> None:
    desk = a_desk()
    read = desk.reader.read(listed("raydium", "meteora"))
    assert (read.slot, read.at) == (1_000, START)
    assert set(read.pools) == {"raydium", "meteora"}
    assert isinstance(read.pools["raydium"], LocalnetPool)


def test_all_accounts_are_from_one_request_and_later_reads_need_no_other() -> None:
    desk = a_desk()
    desk.reader.read(listed())
    first, whole = desk.chain.reads
    assert set(first) == {POOL, CLOCK}
    assert set(whole) == set(desk.chain.accounts)
    desk.pass_time(2 * KEPT_S)
    desk.reader.read(listed())
    assert desk.chain.reads[2:] == [whole]


def test_those_who_ask_within_a_moment_share_a_read() -> None:
    desk = a_desk()
    one = desk.reader.read(listed())
    desk.pass_time(KEPT_S)
    assert desk.reader.read(listed()) is one
    desk.pass_time(0.01)
    assert desk.reader.read(listed()) is not one


def test_what_was_read_before_is_known_for_as_long_as_it_is_asked_for() -> None:
    desk = a_desk()
    one = desk.reader.known(listed(), 5.0)
    before = len(desk.chain.reads)
    desk.pass_time(5.0)
    assert desk.reader.known(listed(), 5.0) is one
    assert len(desk.chain.reads) == before
    desk.pass_time(0.1)
    assert desk.reader.known(listed(), 5.0) is not one
    desk.chain.down = "no answer"
    desk.pass_time(5.1)
    with pytest.raises(VenueUnavailable, match="no answer"):
        desk.reader.known(listed(), 5.0)


def test_threads_that_ask_during_a_read_wait_for_it() -> None:
    desk = a_desk()
    desk.reader.read(listed())
    desk.pass_time(2 * KEPT_S)
    asked, go_on, answers = threading.Event(), threading.Event(), []
    answer = desk.chain.read

    def slow(addresses: Sequence[Pubkey]) -> tuple[int, Accounts]:
        asked.set()
        assert go_on.wait(10)
        return answer(addresses)

    desk.reader._read_accounts = slow
    before = len(desk.chain.reads)
    threads = [
        threading.Thread(target=lambda: answers.append(desk.reader.read(listed())))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    assert asked.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 5
    assert len({id(each) for each in answers}) == 1
    assert len(desk.chain.reads) == before + 1


def test_no_answer_is_shared_too_and_asked_for_again_later() -> None:
    desk = a_desk()
    desk.chain.down = "no answer"
    for _ in range(2):
        with pytest.raises(VenueUnavailable, match="no answer"):
            desk.reader.read(listed())
    assert len(desk.chain.reads) == 1
    desk.chain.down = None
    desk.pass_time(2 * KEPT_S)
    assert desk.reader.read(listed()).slot == 1_000


def test_a_node_that_is_behind_gives_no_prices() -> None:
    desk = a_desk()
    desk.chain.accounts[CLOCK] = a_clock(CHAIN_S - 31)
    with pytest.raises(VenueUnavailable, match="the node is behind: slot 1000, 31 s ago"):
        desk.reader.read(listed())


def test_prices_never_go_back_by_many_slots() -> None:
    desk = a_desk()
    desk.reader.read(listed())
    for slot, is_taken in ((1_000 - MOST_SLOTS_BACK, True), (999 - MOST_SLOTS_BACK, False)):
        desk.chain.slot = slot
        desk.pass_time(2 * KEPT_S)
        if is_taken:
            assert desk.reader.read(listed()).slot == slot
        else:
            with pytest.raises(VenueUnavailable, match=f"slot {slot}"):
                desk.reader.read(listed())


def test_a_pool_that_is_refused_leaves_the_others() -> None:
    accounts = {**a_localnet_pool(), key(99): changed(a_localnet_pool(), POOL, owner=TOKEN)[POOL]}
    instrument = listed()
    instrument.pools["meteora"] = str(key(99))  # type: ignore[index]
    read = a_desk(accounts).reader.read(instrument)
    assert isinstance(read.pools["raydium"], LocalnetPool)
    assert isinstance(read.pools["meteora"], AccountRefused)
