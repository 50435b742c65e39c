"""New orders are for the network that the web process knows."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from harness.waiting import wait_until
from orderengine.domain.home import ANYWHERE, Home
from orderengine.solana.cluster import DEVNET, Cluster
from orderengine.solana.rpc import Node, Rpc
from tests.batch_requests import ORDER, ask, results
from tests.unit.test_solana_rpc import FakeNode, result_of
from tests.web import Web

LIVE = f"solana:{DEVNET}"


@pytest.fixture
def server() -> Iterator[FakeNode]:
    server = FakeNode()
    yield server
    server.close()


@pytest.mark.parametrize("placed_on", [LIVE, "simulated", None])
def test_every_way_to_place_an_order_binds_it(placed_on: str | None) -> None:
    web = Web(placed_on=placed_on)
    ids = [
        web.place(),
        web.place(type="limit", limitPrice=100),
        results(ask(web, [ORDER]))[0]["order"]["orderId"],
    ]
    stored = [web.orders.get(UUID(each)) for each in ids]
    assert [each and each.placed_on for each in stored] == [placed_on] * 3
    assert "placedOn" not in web.client.get(f"/api/orders/{ids[0]}").get_json()


def test_a_home_has_its_own_orders_and_those_of_no_network() -> None:
    for home, own, other in (
        (Home(LIVE, "w"), LIVE, "simulated"),
        (Home("solana:", "w"), LIVE, "simulated"),
        (Home("simulated", ""), "simulated", LIVE),
        (Home(LIVE, "w"), LIVE, "solana:another"),
    ):
        assert home.has(own)
        assert home.has(None)
        assert not home.has(other)
        assert ANYWHERE.has(other)


def test_the_cluster_is_asked_for_beside_the_orders(server: FakeNode) -> None:
    """An order is accepted at once, whether or not a node answers."""
    now = [1000.0]
    nodes = [Node("http://127.0.0.1:1"), Node(server.url)]
    cluster = Cluster(Rpc(nodes), allow_mainnet=False, clock=lambda: now[0])
    server.answer = result_of("no hash")
    assert cluster.known_network() is None
    wait_until(lambda: not cluster._asking.locked(), 10, "it still asks")
    asked = len(server.asked)
    server.answer = result_of(DEVNET)
    assert cluster.known_network() is None
    assert len(server.asked) == asked, "it has just been asked"
    now[0] += 60
    assert cluster.known_network() is None
    wait_until(lambda: cluster.known_network() == LIVE, 10, "the cluster is not known")
