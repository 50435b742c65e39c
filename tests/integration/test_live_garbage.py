"""A node that answers anything: no answer ends in an error that nobody expects, or in a verdict."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine

from orderengine.domain.errors import AttemptFailed, NetworkUnavailable, VenueUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import Execution, InFlight, NotFound, Reverted
from orderengine.localnet.node import FINALIZED_BEHIND
from orderengine.settlement.solana.expiry import VALIDITY
from orderengine.settlement.solana.network import SolanaNetwork
from orderengine.solana import requests
from orderengine.solana.requests import FINALIZED
from orderengine.solana.rpc import Node
from orderengine.storage.promises import SqlWallets
from orderengine.venues.live import LivePrices, LiveVenue
from tests.live_network import FlakyNode, LiveWorld

GARBAGE: tuple[Any, ...] = (
    *(None, True, -1, 2**63, 10**30, 0.5, float("nan"), "", "x", "\x00", "\ud800", "9" * 5000),
    *([], {}, [None], {"value": None}, {"context": {"slot": 10**30}, "value": []}),
)

Path = tuple[Any, ...]


class Garbled(FlakyNode):
    """A node of which one method answers as a test says.

    No block comes meanwhile: a question that was asked before gets the answer of then, which takes
    a fraction of the time of asking the node thousands of times.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.method = ""
        self.change: Callable[[Any], Any] = lambda answer: answer
        self.answers: dict[str, Any] = {}
        self._known: dict[str, Any] = {}

    def call(self, method: str, *params: object) -> Any:
        question = json.dumps([method, *params])
        if question not in self._known:
            self._known[question] = super().call(method, *params)
        answer = copy.deepcopy(self._known[question])
        self.answers[method] = self._known[question]
        return self.change(answer) if method == self.method else answer


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    world = LiveWorld(Instruments([instruments.get("AAPL")]))
    yield world
    world.close()


def paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """The places in a document, itself first; of long lists the first and the last."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths_of(inner, (*path, name))
    elif isinstance(value, list) and value:
        for place in {0, len(value) - 1}:
            yield from paths_of(value[place], (*path, place))


def replaced(document: Any, path: Path, value: Any) -> Any:
    """The document with another value at this place."""
    if not path:
        return value
    found = document
    for step in path[:-1]:
        found = found[step]
    found[path[-1]] = value
    return document


def removed(document: Any, path: Path) -> Any:
    found = document
    for step in path[:-1]:
        found = found[step]
    del found[path[-1]]
    return document


def changes_of(answer: Any) -> Iterator[Callable[[Any], Any]]:
    """Every way in which one place of an answer is something else, or is not there."""
    for path in paths_of(answer):
        for value in GARBAGE:
            yield partial(replaced, path=path, value=value)
        if path:
            yield partial(removed, path=path)


def expired(world: LiveWorld) -> SignedTransaction:
    transaction = world.network.sign(world.swap())
    world.node.tick(VALIDITY + FINALIZED_BEHIND + 1)
    return transaction


def landed(world: LiveWorld, side: Side = Side.BUY) -> SignedTransaction:
    transaction = world.network.sign(world.swap(side=side))
    world.network.send(transaction)
    world.node.tick(FINALIZED_BEHIND + 2)
    return transaction


def sign(world: LiveWorld, network: SolanaNetwork) -> None:
    (answer,) = network.sign_all([world.swap()])
    assert isinstance(answer, SignedTransaction | AttemptFailed)
    if isinstance(answer, AttemptFailed):
        stored(answer.detail)
        world.promises.forget()
    else:
        assert 0 <= (answer.slot or 0) < 2**63
        assert answer.last_valid_height < 2**63


def stored(text: str) -> None:
    """Nothing that PostgreSQL refuses in a text."""
    assert text.isprintable(), repr(text)
    json.dumps(text).encode()


NUMBERS: Mapping[str, Callable[[SolanaNetwork], int]] = {
    "getBlockHeight": lambda network: network.final_height(),
    "getSlot": lambda network: network.cluster.ask(
        lambda node: requests.current_slot(node, requests.CONFIRMED)
    ),
}


def asks(world: LiveWorld, method: str) -> Callable[[SolanaNetwork], None]:
    """What asks this method."""
    if method in {"getLatestBlockhash", "simulateTransaction", "getMultipleAccounts"}:
        return lambda network: sign(world, network)
    if method == "getTransaction":
        signature = landed(world).signature

        def look_up(network: SolanaNetwork) -> None:
            outcome = network.look_up(signature)
            assert isinstance(outcome, Execution | InFlight | Reverted), outcome
            if isinstance(outcome, Execution):
                assert outcome.base_amount > 0
                assert outcome.market_impact_bps is not None

        return look_up
    if method in NUMBERS:
        return lambda network: stored(str(NUMBERS[method](network)))
    if method == "getSignatureStatuses":
        signature = landed(world).signature
        return lambda network: found_or_not(network, signature)
    transaction = expired(world)

    def prove(network: SolanaNetwork) -> None:
        network.look_up_expired(transaction)

    return prove


def found_or_not(network: SolanaNetwork, signature: str) -> None:
    outcome = network.look_up(signature)
    assert isinstance(outcome, Execution | InFlight | NotFound | Reverted)


METHODS = (
    "getGenesisHash",
    "getLatestBlockhash",
    "getMultipleAccounts",
    "simulateTransaction",
    "getSignatureStatuses",
    "getTransaction",
    "getBlockHeight",
    "getEpochInfo",
    "getSlot",
    "getFirstAvailableBlock",
    "getBlocks",
)


@pytest.mark.parametrize("method", METHODS)
def test_any_answer_is_a_result_or_no_answer(world: LiveWorld, method: str) -> None:
    ask = asks(world, method)
    node = Garbled(world.server.url)
    ask(world.network_at([node]))
    node.method, tried = method, 0
    for change in changes_of(node.answers[method]):
        node.change = change
        network = world.network_at([node])
        try:
            ask(network)
        except NetworkUnavailable as error:
            stored(str(error))
        tried += 1
    assert tried >= len(GARBAGE)


@pytest.mark.parametrize("side", Side)
def test_quotes_from_any_account_are_offers_or_refusals(world: LiveWorld, side: Side) -> None:
    node = Garbled(world.server.url)
    instrument = world.instrument()
    reader = world.network_at([node]).signer.pools
    LiveVenue("raydium", reader).offer(instrument, side)
    node.method = "getMultipleAccounts"
    for change in changes_of(node.answers[node.method]):
        node.change = change
        reader = world.network_at([node]).signer.pools
        for ask in (
            lambda reader=reader: LiveVenue("raydium", reader).offer(instrument, side),
            lambda reader=reader: LivePrices(reader).seen(instrument),
        ):
            try:
                ask()
            except VenueUnavailable as error:
                stored(str(error))
            except AttemptFailed as error:
                stored(error.detail)


def test_what_the_wallet_holds_is_stored_whatever_a_node_tells(
    world: LiveWorld, database: Engine
) -> None:
    """The watch runs in the thread of recovery."""
    node = Garbled(world.server.url)
    world.wallets = SqlWallets(database)  # type: ignore[assignment]
    world.looks.is_time = True
    world.network_at([node]).watch.run()
    for method in ("getMultipleAccounts", "getSignaturesForAddress"):
        node.method = method
        landed(world)
        for change in changes_of(node.answers[method]):
            node.change = change
            world.network_at([node]).watch.run()
    node.method = ""
    world.network_at([node]).watch.run()


def test_the_proof_of_expiry_counts_no_block_twice(world: LiveWorld) -> None:
    transaction = expired(world)
    node = Garbled(world.server.url)
    node.method = "getBlocks"
    holes: tuple[Callable[[list[int]], list[int]], ...] = (
        lambda found: [found[0]] * len(found),
        lambda found: [*found[:-1], found[-2]],
        lambda found: [*found[1:], found[-1] + 1],
        lambda found: found[::-1],
    )
    for hole in holes:
        node.change = hole
        with pytest.raises(NetworkUnavailable):
            world.network_at([node]).look_up_expired(transaction)
    node.method = ""
    assert world.network_at([node]).look_up_expired(transaction) == NotFound()


def test_the_landing_of_another_transaction_is_none(world: LiveWorld) -> None:
    mine, other = landed(world), landed(world)
    node = Garbled(world.server.url)
    found = requests.transaction(Node(world.server.url), other.signature, FINALIZED)
    node.method, node.change = "getTransaction", lambda _: found
    assert world.network_at([node]).look_up(mine.signature) == InFlight()


def test_a_slot_told_by_mistake_does_not_make_all_later_ones_late(world: LiveWorld) -> None:
    node, now = Garbled(world.server.url), [1000.0]
    reader = world.network_at([node]).signer.pools
    reader._steady_s = lambda: now[0]
    instrument = world.instrument()
    node.method = "getMultipleAccounts"
    node.change = lambda found: replaced(found, ("context", "slot"), 2**40)
    reader.read(instrument)
    node.method = ""
    now[0] += 1
    with pytest.raises(VenueUnavailable, match="behind"):
        reader.read(instrument)
    now[0] += 60
    assert reader.read(instrument).slot < 2**40
