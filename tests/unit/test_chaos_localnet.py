"""The evidence of a localnet: which order a landing belongs to, and its amounts."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, cast
from uuid import uuid4

import pytest
from solders.hash import Hash
from solders.instruction import Instruction

from chaos.evidence import Execution, StoredOrder
from chaos.fault import LOCALNET
from chaos.faults import FAULTS
from chaos.localnet import Localnet as Evidence
from orderengine.domain.side import Side
from orderengine.local.localnet_server import EmbeddedLocalnet
from orderengine.localnet.pools import USDC_MINT
from orderengine.localnet.runner import WALLET_FILE, wallet_of
from orderengine.localnet.server import serve_in_thread
from orderengine.solana.accounts import MEMO_PROGRAM
from tests.localnet import Localnet, a_localnet, signed

QUANTITY = 10**8


class AServer:
    """As much of an embedded localnet as the evidence needs."""

    def __init__(self, url: str, folder: Any) -> None:
        self.url = url
        self.settings = {
            "SOLANA_USDC_MINT": str(USDC_MINT),
            "SOLANA_KEYPAIR_FILE": str(folder / WALLET_FILE),
        }


@pytest.fixture
def net(tmp_path: Any) -> Iterator[Localnet]:
    net = a_localnet("AAPL", wallet=wallet_of(tmp_path))
    yield net
    net.node.close()


@pytest.fixture
def evidence(net: Localnet, tmp_path: Any) -> Iterator[Evidence]:
    server = serve_in_thread(net.node)
    yield Evidence(cast("EmbeddedLocalnet", AServer(server.url, tmp_path)))
    server.close()


def land(net: Localnet, order_id: str, attempt: int = 1, limit: int = 0, *, blocks: int = 2) -> str:
    """A landed sale with the memo that the engine gives it; its signature."""
    digest = hashlib.sha256(f"{order_id}:{attempt}".encode()).hexdigest()
    memo = Instruction(MEMO_PROGRAM, f"oe:{digest[:16]}aabbccdd".encode(), [])
    swap = net.swap("AAPL", "raydium", Side.SELL, QUANTITY, limit)
    latest = net.ask("getLatestBlockhash", {"commitment": "confirmed"})["value"]["blockhash"]
    signature = net.send(signed(net.wallet, [memo, swap], Hash.from_string(latest)))
    net.node.tick(blocks)
    return signature


def orders(*order_ids: str, attempt: int = 1) -> Mapping[str, StoredOrder]:
    return {
        each: StoredOrder(
            *(each, "confirmed", 5, attempt, False, None, None),
            created_at=0.0,
            ended_at=1.0,
            failure_reason=None,
        )
        for each in order_ids
    }


def test_an_execution_is_found_by_its_memo_with_the_vaults_amounts(
    net: Localnet, evidence: Evidence
) -> None:
    before = net.pool("AAPL", "raydium")
    order_id = str(uuid4())
    signature = land(net, order_id)
    after = net.pool("AAPL", "raydium")
    got = before.usdc.amount - after.usdc.amount
    assert got > 0
    found = evidence.executions(orders(order_id))
    assert found == {order_id: [Execution(signature, QUANTITY, got)]}


def test_two_landings_of_one_order_are_two_executions(net: Localnet, evidence: Evidence) -> None:
    order_id = str(uuid4())
    signatures = [land(net, order_id, attempt) for attempt in (1, 2)]
    (found,) = evidence.executions(orders(order_id, attempt=2)).values()
    assert [each.signature for each in found] == signatures


def test_a_landing_of_nobody_is_listed_under_its_signature(
    net: Localnet, evidence: Evidence
) -> None:
    signature = land(net, str(uuid4()))
    assert list(evidence.executions(orders(str(uuid4())))) == [signature]


def test_a_landed_error_is_no_execution(net: Localnet, evidence: Evidence) -> None:
    order_id = str(uuid4())
    land(net, order_id, limit=2**63)
    assert evidence.executions(orders(order_id)) == {}


def test_a_landing_in_a_block_that_was_forked_away_is_taken_back_and_no_execution(
    net: Localnet, evidence: Evidence
) -> None:
    order_id = str(uuid4())
    land(net, order_id)
    assert evidence.taken_back() == 0
    land(net, order_id, attempt=2, blocks=1)
    assert net.node.fork_away()
    assert evidence.taken_back() == 1
    assert len(evidence.executions(orders(order_id, attempt=2))[order_id]) == 1


def test_each_kind_of_fault_that_was_promised_is_there() -> None:
    names = {name for name, fault in FAULTS.items() if fault.network == LOCALNET}
    assert names >= {
        *("localnet_sends_lost", "localnet_answers_lost", "localnet_forgets", "localnet_lags"),
        *("localnet_refuses", "localnet_forks", "localnet_disagrees", "localnet_restarts"),
    }
