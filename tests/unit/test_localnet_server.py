"""The localnet over HTTP: answers, errors, and the faults of each URL."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from solders.keypair import Keypair
from solders.system_program import TransferParams, transfer

from orderengine.localnet.server import RpcServer, serve_in_thread
from tests.localnet import Localnet, a_localnet, wire


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    net = a_localnet()
    yield net
    net.node.close()


@pytest.fixture
def server(net: Localnet) -> Iterator[RpcServer]:
    server = serve_in_thread(net.node, with_faults=True)
    yield server
    server.close()
    net.node.traffic.held = False
    net.node.traffic.landing_blocks = 1


def post(server: RpcServer, body: bytes, path: str = "/") -> tuple[int, Any]:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None
    finally:
        connection.close()


def ask(server: RpcServer, method: str, *params: object, path: str = "/") -> Any:
    request = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
    status, answer = post(server, json.dumps(request).encode(), path)
    assert (status, answer["id"]) == (200, 7)
    return answer.get("error") or answer["result"]


def a_gift(net: Localnet) -> str:
    to = Keypair().pubkey()
    terms = TransferParams(from_pubkey=net.wallet.pubkey(), to_pubkey=to, lamports=10**9)
    return wire(net.signed(transfer(terms)))


def send(server: RpcServer, gift: str) -> Any:
    return ask(server, "sendTransaction", gift, {"encoding": "base64", "skipPreflight": True})


def is_known(server: RpcServer, signature: str, path: str = "/") -> bool:
    config = {"searchTransactionHistory": True}
    found = ask(server, "getSignatureStatuses", [signature], config, path=path)
    return bool(found["value"] != [None])


def test_a_node_answers_over_http(net: Localnet, server: RpcServer) -> None:
    assert ask(server, "getHealth") == "ok"
    assert ask(server, "getGenesisHash") == net.node.genesis
    assert ask(server, "getSlot", {"commitment": "processed"}) == net.node.blocks[-1].slot
    heights = [
        ask(server, "getBlockHeight", {"commitment": each})
        for each in ("processed", "confirmed", "finalized")
    ]
    assert [heights[0] - each for each in heights] == [0, 1, 32]
    info = ask(server, "getEpochInfo", {"commitment": "finalized"})
    final = net.node.blocks[-33]
    assert (info["absoluteSlot"], info["blockHeight"]) == (final.slot, heights[2])
    assert info["epoch"] * info["slotsInEpoch"] + info["slotIndex"] == final.slot


def test_a_list_of_requests_gets_a_list_of_answers(server: RpcServer) -> None:
    requests = [{"jsonrpc": "2.0", "id": each, "method": "getHealth"} for each in (1, 2)]
    status, answers = post(server, json.dumps(requests).encode())
    assert (status, [each["id"] for each in answers]) == (200, [1, 2])


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("getNothing", [], -32601),
        ("getBalance", [], -32602),
        ("getBalance", ["short"], -32602),
        ("getBalance", [7], -32602),
        ("getSlot", [{"commitment": "sure"}], -32602),
        ("getSlot", [{"minContextSlot": 10**9}], -32016),
        ("getMultipleAccounts", [["1" * 32] * 101], -32602),
        ("getSignatureStatuses", [["1" * 64] * 257], -32602),
        ("getTokenAccountBalance", ["1" * 32], -32602),
        ("sendTransaction", ["AAAA", {"encoding": "base64"}], -32602),
        ("sendTransaction", ["AAAA"], -32602),
        ("sendTransaction", ["A" * 1_700, {"encoding": "base64"}], -32602),
        ("simulateTransaction", ["no base64", {"encoding": "base64"}], -32602),
        ("getBlocks", [0, 600_001], None),
        ("getBlockTime", [1], -32001),
        ("getBlockTime", [10**9], -32004),
        ("localnet_fault", [{"nonsense": 1}], -32602),
        ("localnet_fault", [{"lagBlocks": 1_000}], -32602),
    ],
)
def test_errors_have_the_codes_of_a_node(
    server: RpcServer, method: str, params: list[object], code: int | None
) -> None:
    answer = ask(server, method, *params)
    assert (answer["code"] if isinstance(answer, dict) else None) == code


@pytest.mark.parametrize(("body", "code"), [(b"{", -32700), (b"7", -32600), (b"{}", -32600)])
def test_broken_requests_get_an_error(server: RpcServer, body: bytes, code: int) -> None:
    status, answer = post(server, body)
    assert (status, answer["error"]["code"]) == (200, code)


def test_faults_are_refused_unless_they_are_allowed(net: Localnet) -> None:
    server = serve_in_thread(net.node)
    try:
        assert ask(server, "localnet_fault", {"held": True})["code"] == -32601
        assert ask(server, "localnet_ledger")["genesisHash"] == net.node.genesis
    finally:
        server.close()


def test_a_lost_send_answers_like_another(net: Localnet, server: RpcServer) -> None:
    ask(server, "localnet_fault", {"sendLossRate": 1})
    signature = send(server, a_gift(net))
    net.node.tick(2)
    assert not is_known(server, signature)
    ask(server, "localnet_fault", {"sendLossRate": 0})
    signature = send(server, a_gift(net))
    net.node.tick(2)
    assert is_known(server, signature)


def test_a_lost_answer_belongs_to_a_request_that_was_carried_out(
    net: Localnet, server: RpcServer
) -> None:
    ask(server, "localnet_fault", {"answerLossRate": 1})
    gift = a_gift(net)
    with pytest.raises(http.client.RemoteDisconnected):
        send(server, gift)
    net.node.tick(2)
    assert len(ask(server, "localnet_ledger", {"after": net.node.blocks[-3].slot})["landings"]) == 1


def test_the_second_url_can_lag(net: Localnet, server: RpcServer) -> None:
    signature = send(server, a_gift(net))
    net.node.tick(3)
    ask(server, "localnet_fault", {"lagBlocks": 10}, path="/second")
    assert is_known(server, signature)
    assert not is_known(server, signature, path="/second")
    health = ask(server, "getHealth", path="/second")
    assert (health["code"], health["data"]) == (-32005, {"numSlotsBehind": 10})
    assert ask(server, "getHealth") == "ok"


def test_a_view_that_forgot_knows_nothing_of_before(net: Localnet, server: RpcServer) -> None:
    signature = send(server, a_gift(net))
    net.node.tick(40)
    newest = net.node.blocks[-1].slot
    ask(server, "localnet_fault", {"forget": True}, path="/second")
    assert not is_known(server, signature, path="/second")
    assert ask(server, "getTransaction", signature, {"maxSupportedTransactionVersion": 0})
    assert (
        ask(
            server,
            "getTransaction",
            signature,
            {"maxSupportedTransactionVersion": 0},
            path="/second",
        )
        is None
    )
    assert ask(server, "getFirstAvailableBlock", path="/second") == newest + 1
    assert ask(server, "getBlocks", newest - 5, newest, path="/second") == []
    assert ask(server, "getFirstAvailableBlock") < newest
    net.node.tick(40)
    signature = send(server, a_gift(net))
    net.node.tick(2)
    assert is_known(server, signature, path="/second")


def test_a_view_without_history_says_so(net: Localnet, server: RpcServer) -> None:
    ask(server, "localnet_fault", {"keepsHistory": False})
    config = {"searchTransactionHistory": True}
    assert ask(server, "getSignatureStatuses", ["1" * 64], config)["code"] == -32011
    assert ask(server, "getTransaction", "1" * 64)["code"] == -32011
    assert ask(server, "getSignatureStatuses", ["1" * 64])["value"] == [None]


def test_a_view_can_refuse_every_request(server: RpcServer) -> None:
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "getHealth"}).encode()
    ask(server, "localnet_fault", {"refuseS": 600})
    assert post(server, request)[0] == 429
    assert post(server, request, "/second")[0] == 200
    ask(server, "localnet_fault", {"refuseS": 0})
    assert post(server, request)[0] == 200


def test_held_transactions_land_later(net: Localnet, server: RpcServer) -> None:
    ask(server, "localnet_fault", {"held": True})
    signature = send(server, a_gift(net))
    net.node.tick(5)
    assert not is_known(server, signature)
    ask(server, "localnet_fault", {"held": False, "landingBlocks": 3})
    later = send(server, a_gift(net))
    net.node.tick(2)
    assert (is_known(server, signature), is_known(server, later)) == (True, False)
    net.node.tick()
    assert is_known(server, later)


def test_the_wallet_and_its_memos_are_listed(net: Localnet, server: RpcServer) -> None:
    sent = [send(server, a_gift(net)) for _ in range(3)]
    net.node.tick(2)
    wallet = str(net.wallet.pubkey())
    config = {"limit": 3, "commitment": "confirmed"}
    listed = ask(server, "getSignaturesForAddress", wallet, config)
    assert [each["signature"] for each in listed] == sent[::-1]
    before = ask(server, "getSignaturesForAddress", wallet, {**config, "before": sent[2]})
    assert [each["signature"] for each in before][:2] == [sent[1], sent[0]]
    until = ask(server, "getSignaturesForAddress", wallet, {**config, "until": sent[0]})
    assert [each["signature"] for each in until] == [sent[2], sent[1]]


def test_token_accounts_are_found_by_their_owner(net: Localnet, server: RpcServer) -> None:
    pool = net.pool("AAPL", "raydium")
    owner, config = str(net.wallet.pubkey()), {"encoding": "base64"}
    found = ask(server, "getTokenAccountsByOwner", owner, {"mint": str(pool.base.mint)}, config)[
        "value"
    ]
    assert len(found) == 1
    amount = ask(server, "getTokenAccountBalance", found[0]["pubkey"])["value"]
    assert int(amount["amount"]) > 0
    assert amount["decimals"] == 8
    by_program = {"programId": str(pool.usdc.program)}
    assert len(ask(server, "getTokenAccountsByOwner", owner, by_program, config)["value"]) == 1
