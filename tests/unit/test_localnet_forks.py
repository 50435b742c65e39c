"""The localnet's node forks a block away, and starts again: what stays as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.keypair import Keypair

from orderengine.localnet.node import LocalNode
from orderengine.localnet.pools import set_up
from tests.localnet import LAMPORTS, Localnet, a_localnet, only


@pytest.fixture
def net() -> Iterator[Localnet]:
    net = a_localnet()
    yield net
    net.node.close()


def test_a_forked_block_takes_its_landings_with_it(net: Localnet) -> None:
    to = Keypair().pubkey()
    transaction = net.gift(to)
    signature = net.send(transaction)
    net.node.tick()
    forked = net.node.blocks[-1]
    assert net.node.fork_away()
    assert net.status(signature) is None
    assert net.balance(to, "processed") == 0
    net.send(transaction)
    net.node.tick()
    made = net.node.blocks[-1]
    assert (made.height, made.slot) == (forked.height, forked.slot + 1)
    assert net.balance(to, "processed") == LAMPORTS
    net.node.tick()
    slots = net.ask("getBlocks", forked.slot - 1, made.slot, {"commitment": "confirmed"})
    assert slots == [forked.slot - 1, made.slot]
    assert net.ask("localnet_ledger")["forked"] == [{"signature": signature, "slot": forked.slot}]


def test_a_fork_takes_back_no_commitment(net: Localnet) -> None:
    signature = net.send(net.gift(Keypair().pubkey()))
    net.node.tick(2)
    slots = {each: net.ask("getSlot", {"commitment": each}) for each in ("confirmed", "finalized")}
    assert net.node.fork_away()
    assert not net.node.fork_away()
    seen = net.status(signature)
    assert seen is not None
    assert seen["confirmationStatus"] == "confirmed"
    for commitment, slot in slots.items():
        assert net.ask("getSlot", {"commitment": commitment}) == slot
    net.node.tick()
    assert net.ask("getSlot", {"commitment": "confirmed"}) == slots["confirmed"]
    net.node.tick()
    assert net.ask("getSlot", {"commitment": "confirmed"}) > slots["confirmed"]


def test_a_fork_before_a_kill_takes_back_no_commitment_either(tmp_path: Path) -> None:
    net = a_localnet(folder=tmp_path)
    net.node.tick(2)
    confirmed = net.ask("getSlot", {"commitment": "confirmed"})
    assert net.node.fork_away()
    net.node.close()
    again = Localnet(LocalNode(tmp_path), net.wallet)
    assert again.ask("getSlot", {"commitment": "confirmed"}) == confirmed
    assert not again.node.fork_away()
    again.node.close()


def test_a_restart_keeps_the_chain(tmp_path: Path) -> None:
    net = a_localnet(folder=tmp_path)
    to = Keypair().pubkey()
    transaction = net.gift(to)
    signature = net.send(transaction)
    net.node.tick()
    pool, genesis, blocks = net.pool("AAPL", "raydium"), net.node.genesis, net.node.blocks
    net.node.close()
    again = Localnet(LocalNode(tmp_path), net.wallet)
    set_up(again.node, only("AAPL"), net.wallet.pubkey())
    assert (again.node.genesis, again.node.blocks) == (genesis, blocks)
    assert again.pool("AAPL", "raydium") == pool
    at = {each: again.balance(to, each) for each in ("processed", "confirmed")}
    assert at == {"processed": LAMPORTS, "confirmed": 0}
    again.send(transaction)
    again.node.tick(2)
    assert again.balance(to, "processed") == LAMPORTS
    seen = again.status(signature)
    assert seen is not None
    assert seen["slot"] == blocks[-1].slot
    again.node.close()


def test_a_new_folder_is_another_chain(tmp_path: Path) -> None:
    genesis = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        node = LocalNode(tmp_path / name)
        genesis.add(node.genesis)
        node.close()
    assert len(genesis) == 2
