"""One socket for all orders of a client: gunicorn as the Procfile starts it, and a real client."""

import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.waiting import wait_until
from tests.integration.web_process import AllOrders, Web, refusal, rest

REVOKED_WITHIN_S = 5.0
FAR = "2100-01-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(redis_url, tmp_path_factory.mktemp("web"), AUTH="required") as running:
        yield running


@pytest.fixture
def own_web(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Web]]:
    with contextlib.ExitStack() as stack:
        yield lambda **environ: stack.enter_context(
            Web(redis_url, tmp_path, AUTH="required", **environ)
        )


@pytest.fixture(scope="module")
def alice(web: Web) -> str:
    return str(web.key("alice")["key"])


def all_url(web: Web, query: str = "") -> str:
    return f"ws://127.0.0.1:{web.port}/ws/orders{query}"


def bearer(key: str) -> dict[str, dict[str, str]]:
    return {"header": {"Authorization": f"Bearer {key}"}}


def test_every_order_is_told_from_its_first_event_to_its_last(web: Web, alice: str) -> None:
    with web.follow_all(alice) as told:
        told.catch_up()
        orders = [web.order("alice") for _ in range(5)]
        for order_id in orders:
            web.post(f"/orders/{order_id}/confirm")
        told.take_to_the_end_of(*orders)
    assert all(told.seqs(order_id) == [1, 2, 3, 4, 5] for order_id in orders)


def test_whoever_joins_late_gets_the_same_texts(web: Web, alice: str) -> None:
    order_id = web.order("alice")
    with web.follow_all(alice) as early:
        early.catch_up()
        web.post(f"/orders/{order_id}/start")
        with web.follow_all(alice) as late:
            late.catch_up()
            assert late.seqs(order_id) == [1, 2]
            web.post(f"/orders/{order_id}/finish")
            for told in (early, late):
                told.take_to_the_end_of(order_id)
    with web.follow(order_id, header={"Authorization": f"Bearer {alice}"}) as single:
        texts, _ = rest(single)
    assert early.texts[order_id] == late.texts[order_id] == texts


def test_the_orders_of_others_are_never_told(web: Web, alice: str) -> None:
    bob = str(web.key("bob")["key"])
    foreign = web.order("bob")
    with web.follow_all(alice) as told, web.follow_all(bob) as theirs:
        told.catch_up()
        mine, another = web.order("alice"), web.order("bob")
        for order_id in (foreign, another, mine):
            web.post(f"/orders/{order_id}/confirm")
        told.take_to_the_end_of(mine)
        theirs.take_to_the_end_of(foreign, another)
    assert not {foreign, another} & told.texts.keys()
    assert mine not in theirs.texts


def test_a_client_comes_back_with_its_cursor(web: Web, alice: str) -> None:
    with web.follow_all(alice) as told:
        told.catch_up()
        known = web.order("alice")
        while not told.seqs(known):
            told.take()
        cursor = told.catch_up()
    missed = web.order("alice")
    for order_id in (known, missed):
        web.post(f"/orders/{order_id}/confirm")
    with web.follow_all(alice, f"?cursor={cursor}") as again:
        again.catch_up()
    assert again.seqs(known) == again.seqs(missed) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("?after=3", "after", "combination"),
        ("?cursor=yesterday", "cursor", "cursor"),
        ("?cursor=", "cursor", "cursor"),
        (f"?cursor={FAR}", "cursor", "range"),
        (f"?cursor={FAR}&cursor={FAR}", "cursor", "repeated"),
        (f"?orderId=00000000-0000-0000-0000-000000000000&cursor={FAR}", "cursor", "combination"),
        ("?clientId=bob", "clientId", "unknown"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    web: Web, alice: str, query: str, field: str, rule: str
) -> None:
    status, _, problem = refusal(all_url(web, query), **bearer(alice))
    assert (status, problem["code"]) == (400, "VALIDATION_FAILED")
    assert [(error["field"], error["rule"]) for error in problem["errors"]] == [(field, rule)]


def test_strangers_and_wrong_keys_are_refused(web: Web) -> None:
    for options in ({}, bearer("oe_000000000000_" + "A" * 43)):
        status, _, problem = refusal(all_url(web), **options)
        assert (status, problem["code"]) == (401, "UNAUTHORIZED")


def test_without_storage_a_new_socket_is_refused_and_an_open_one_waits(
    web: Web, alice: str
) -> None:
    with web.follow_all(alice) as told:
        told.catch_up()
        order_id = web.order("alice")
        web.post("/storage", down=True)
        status, _, problem = refusal(all_url(web), **bearer(alice))
        web.post("/storage", down=False)
        assert (status, problem["code"]) == (503, "STORAGE_UNAVAILABLE")
        web.post(f"/orders/{order_id}/confirm")
        told.take_to_the_end_of(order_id)
    assert told.seqs(order_id) == [1, 2, 3, 4, 5]


def test_it_counts_as_a_socket_of_its_client(own_web: Callable[..., Web]) -> None:
    web = own_web(MAX_SOCKETS_PER_CLIENT="2")
    alice, bob = str(web.key("alice")["key"]), str(web.key("bob")["key"])
    order_id = web.order("alice")
    header = {"Authorization": f"Bearer {alice}"}
    with web.follow_all(alice) as told, web.follow(order_id, header=header):
        status, _, problem = refusal(all_url(web), **bearer(alice))
        assert (status, problem["code"]) == (429, "TOO_MANY_CLIENT_SOCKETS")
        with web.follow_all(bob) as other:
            other.catch_up()
        told.catch_up()
    wait_until(web.is_idle)


def test_a_revoked_key_closes_it_within_seconds(web: Web) -> None:
    made = web.key("carol")
    with web.follow_all(str(made["key"])) as told:
        told.catch_up()
        web.post(f"/keys/{made['keyId']}/revoke")
        began = time.monotonic()
        assert rest(told.client)[1] == 1008
        assert time.monotonic() - began < REVOKED_WITHIN_S
    wait_until(web.is_idle)


def test_on_sigterm_it_is_told_to_come_back(own_web: Callable[..., Web]) -> None:
    web = own_web()
    with web.follow_all(str(web.key("alice")["key"])) as told:
        told.catch_up()
        web.process.send_signal(signal.SIGTERM)
        assert rest(told.client)[1] == 1012


def test_a_slow_reader_is_cut_off_and_hurts_no_other_of_its_client(
    own_web: Callable[..., Web],
) -> None:
    # A long send timeout for the quick reader on a busy machine; and no pings, because an answer to
    # one would reset the closed connection.
    web = own_web(TEST_SEND_TIMEOUT_S="3", TEST_PING_S="600")
    key = str(web.key("alice")["key"])
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
    with web.follow_all(key) as quick, web.follow_all(key, sockopt=small) as slow:
        quick.catch_up()
        slow.catch_up()
        orders = [web.order("alice") for _ in range(3)]
        # It starts reading before the first message, so that it is quick on any machine.
        with ThreadPoolExecutor(1) as threads:
            taken = threads.submit(_take_all_but_the_end, quick, orders)
            for order_id in orders:
                web.post(f"/orders/{order_id}/chatter")
            taken.result()
        wait_until(lambda: web.state()["closed"] == {"slow": 1})
        texts, code = rest(slow.client)
        assert code == 1013
        assert texts
    wait_until(web.is_idle)


def test_more_orders_than_can_be_followed_close_it_although_it_reads(
    own_web: Callable[..., Web],
) -> None:
    web = own_web(TEST_ORDERS_AT_ONCE="3")
    key = str(web.key("alice")["key"])
    with web.follow_all(key) as told:
        cursor = told.catch_up()
        for _ in range(4):
            web.order("alice")
        assert rest(told.client)[1] == 1013
    status, _, problem = refusal(all_url(web, f"?cursor={cursor}"), **bearer(key))
    assert (status, problem["errors"][0]["field"]) == (400, "cursor")
    assert "too old" in problem["detail"]


def _take_all_but_the_end(told: AllOrders, orders: list[str]) -> None:
    last = 602  # the last `seq` after `chatter`
    while any(len(told.texts[order_id]) < last for order_id in orders):
        told.take()
    assert all(told.seqs(order_id) == list(range(1, last + 1)) for order_id in orders)
