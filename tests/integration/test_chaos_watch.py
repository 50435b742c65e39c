"""The watchers of the fault suite: they reconnect from their last event, and report findings."""

import random
from collections.abc import Iterator
from uuid import uuid4

import pytest

from chaos.proxy import Proxy
from chaos.watch import OrderWatcher, cut_without_a_word
from harness.waiting import wait_until
from tests.integration.web_process import Web

TIMEOUT_S = 15.0
PATH = ["pending", "routing", "building", "submitted", "confirmed"]


@pytest.fixture(scope="module")
def web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(redis_url, tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def proxy(web: Web) -> Iterator[Proxy]:
    with Proxy(lambda: web.port, random.Random(1)) as running:
        yield running


@pytest.fixture
def watch(proxy: Proxy) -> Iterator[OrderWatcher]:
    with OrderWatcher(proxy.port, random.Random(1), one_in=1) as running:
        yield running


def test_an_order_is_followed_across_a_cut(web: Web, proxy: Proxy, watch: OrderWatcher) -> None:
    order_id = web.order()
    watch.offer(order_id)
    wait_until(lambda: [each.seqs for each in watch.watched] == [[1]])
    proxy.cut()
    web.post(f"/orders/{order_id}/confirm")
    watch.finish(TIMEOUT_S)
    (watched,) = watch.watched
    assert (watched.seqs, watched.statuses) == ([1, 2, 3, 4, 5], PATH)
    assert watched.closed_with == [None, 1000]
    assert watched.has_ended
    assert cut_without_a_word(watched)


def test_an_order_that_ends_undisturbed_is_closed_in_order(web: Web, watch: OrderWatcher) -> None:
    order_id = web.order()
    web.post(f"/orders/{order_id}/fail")
    watch.offer(order_id)
    watch.finish(TIMEOUT_S)
    (watched,) = watch.watched
    assert (watched.seqs[0], watched.closed_with) == (1, [1000])
    assert not cut_without_a_word(watched)


def test_an_order_that_nobody_knows_is_told(watch: OrderWatcher) -> None:
    watch.offer(str(uuid4()))
    watch.finish(TIMEOUT_S)
    (watched,) = watch.watched
    assert watched.refusal == "after 0: 404"
    assert not watched.has_ended
