"""The localnet's node: blocks, commitments, the window, duplicates."""

import base64
from collections.abc import Iterator

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from orderengine.domain.side import Side
from orderengine.localnet.errors import RpcRefusal
from orderengine.localnet.node import WINDOW
from tests.localnet import INSTRUMENTS, LAMPORTS, Localnet, a_localnet, signed


@pytest.fixture
def net() -> Iterator[Localnet]:
    net = a_localnet()
    yield net
    net.node.close()


def code_of(net: Localnet, method: str, *params: object) -> tuple[int, object]:
    with pytest.raises(RpcRefusal) as refused:
        net.ask(method, *params)
    return refused.value.code, refused.value.data


def test_a_landing_is_seen_at_each_commitment_in_turn(net: Localnet) -> None:
    to = Keypair().pubkey()
    signature = net.send(net.gift(to))
    assert net.status(signature) is None
    net.node.tick()
    seen = net.status(signature)
    assert seen is not None
    assert (seen["confirmationStatus"], seen["err"]) == ("processed", None)
    assert [net.balance(to, each) for each in ("processed", "confirmed", "finalized")] == [
        LAMPORTS,
        0,
        0,
    ]
    net.node.tick()
    seen = net.status(signature)
    assert seen is not None
    assert (seen["confirmationStatus"], seen["confirmations"]) == ("confirmed", 1)
    assert [net.balance(to, each) for each in ("confirmed", "finalized")] == [LAMPORTS, 0]
    net.node.tick(31)
    seen = net.status(signature)
    assert seen is not None
    assert (seen["confirmationStatus"], seen["confirmations"]) == ("finalized", None)
    assert net.balance(to, "finalized") == LAMPORTS


def test_the_same_bytes_land_once(net: Localnet) -> None:
    to = Keypair().pubkey()
    transaction = net.gift(to)
    assert net.send(transaction) == net.send(transaction)
    net.node.tick()
    assert net.send(transaction) == str(transaction.signatures[0])
    net.node.tick(2)
    assert net.balance(to, "processed") == LAMPORTS
    preflight = code_of(
        net,
        "sendTransaction",
        base64.b64encode(bytes(transaction)).decode(),
        {"encoding": "base64", "preflightCommitment": "confirmed"},
    )
    assert preflight[0] == -32002
    assert isinstance(preflight[1], dict)
    assert preflight[1]["err"] == "AlreadyProcessed"


def test_fifty_transactions_share_a_block(net: Localnet) -> None:
    transactions = [net.gift(Keypair().pubkey()) for _ in range(50)]
    for each in transactions:
        net.send(each)
    net.node.tick()
    landings = net.ask("localnet_ledger")["landings"]
    assert len(landings) == 50
    assert len({each["slot"] for each in landings}) == 1


@pytest.mark.parametrize(("late", "lands"), [(0, True), (1, False)])
def test_a_transaction_lands_up_to_its_last_valid_height(
    net: Localnet, late: int, lands: bool
) -> None:
    latest = net.ask("getLatestBlockhash", {"commitment": "confirmed"})["value"]
    terms = TransferParams(
        from_pubkey=net.wallet.pubkey(), to_pubkey=Keypair().pubkey(), lamports=LAMPORTS
    )
    transaction = signed(net.wallet, [transfer(terms)], Hash.from_string(latest["blockhash"]))
    last = latest["lastValidBlockHeight"]
    net.node.tick(last - net.node.blocks[-1].height - 1 + late)
    signature = net.send(transaction)
    net.node.tick(2)
    assert (net.status(signature) is not None) is lands


def test_long_after_its_landing_a_preflight_finds_no_blockhash(net: Localnet) -> None:
    transaction = net.gift(Keypair().pubkey())
    signature = net.send(transaction)
    net.node.tick(WINDOW + 40)
    refused = code_of(
        net,
        "sendTransaction",
        base64.b64encode(bytes(transaction)).decode(),
        {"encoding": "base64"},
    )
    assert isinstance(refused[1], dict)
    assert (refused[0], refused[1]["err"]) == (-32002, "BlockhashNotFound")
    seen = net.status(signature)
    assert seen is not None
    assert seen["confirmationStatus"] == "finalized"


def test_a_wrong_signature_is_refused_or_dropped(net: Localnet) -> None:
    good, other = net.gift(Keypair().pubkey()), net.gift(Keypair().pubkey())
    forged = VersionedTransaction.populate(good.message, other.signatures)
    wire = base64.b64encode(bytes(forged)).decode()
    assert code_of(net, "sendTransaction", wire, {"encoding": "base64"})[0] == -32003
    net.send(forged)
    net.node.tick(2)
    assert net.ask("localnet_ledger")["landings"] == []


def test_a_failed_swap_costs_its_fee(net: Localnet) -> None:
    swap = net.swap("AAPL", "raydium", Side.BUY, 10**8, 1)
    before = net.balance(net.wallet.pubkey(), "processed")
    signature = net.send(net.signed(swap))
    net.node.tick(2)
    failure = {"InstructionError": [0, {"Custom": 6005}]}
    seen = net.status(signature)
    assert seen is not None
    assert (seen["err"], seen["status"]) == (failure, {"Err": failure})
    assert before - net.balance(net.wallet.pubkey(), "processed") == 5_000
    preflight = code_of(
        net,
        "sendTransaction",
        base64.b64encode(bytes(net.signed(swap))).decode(),
        {"encoding": "base64", "preflightCommitment": "confirmed"},
    )
    assert preflight[0] == -32002
    assert isinstance(preflight[1], dict)
    assert preflight[1]["err"] == failure


def test_who_cannot_pay_the_fee_never_lands(net: Localnet) -> None:
    poor = Localnet(net.node, Keypair())
    signature = poor.send(poor.gift(Keypair().pubkey()))
    net.node.tick(2)
    assert net.status(signature) is None


def test_a_transaction_shows_the_tokens_before_and_after(net: Localnet) -> None:
    pool = net.pool("AAPL", "raydium")
    signature = net.send(net.signed(net.swap("AAPL", "raydium", Side.SELL, 10**8, 0)))
    net.node.tick(2)
    config = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
    found = net.ask("getTransaction", signature, config)
    keys = found["transaction"]["message"]["accountKeys"]
    meta = found["meta"]
    gained: dict[str, int] = {}
    for name, sign in (("preTokenBalances", -1), ("postTokenBalances", 1)):
        for each in meta[name]:
            account = keys[each["accountIndex"]]
            amount = sign * int(each["uiTokenAmount"]["amount"])
            gained[account] = gained.get(account, 0) + amount
    assert gained[str(pool.base.vault)] == 10**8
    assert gained[str(pool.usdc.vault)] < 0
    assert sum(gained.values()) == 0
    assert (meta["err"], meta["fee"]) == (None, 5_000)
    assert [each["index"] for each in meta["innerInstructions"]] == [0]
    assert code_of(net, "getTransaction", signature, {"commitment": "confirmed"})[0] == -32015
    assert net.ask("getTransaction", signature, {"maxSupportedTransactionVersion": 0}) is None


def test_a_simulation_sees_the_commitment_that_it_asks_for(net: Localnet) -> None:
    rich, poor = net.wallet, Localnet(net.node, Keypair())
    net.send(net.gift(poor.wallet.pubkey()))
    net.node.tick()
    unsigned = poor.gift(rich.pubkey(), 1_000)
    at = {
        each: poor.simulate(unsigned, commitment=each)["err"] for each in ("processed", "confirmed")
    }
    assert at == {"processed": None, "confirmed": "AccountNotFound"}
    assert net.balance(poor.wallet.pubkey(), "processed") == LAMPORTS


def test_an_unsigned_transaction_can_be_simulated_but_never_lands(net: Localnet) -> None:
    pool = net.pool("AAPL", "raydium")
    made = net.signed(net.swap("AAPL", "raydium", Side.SELL, 10**8, 0))
    unsigned = VersionedTransaction.populate(made.message, [Signature.default()])
    vault = str(pool.base.vault)
    found = net.simulate(unsigned, sigVerify=False, accounts={"addresses": [vault]})
    data = base64.b64decode(found["accounts"][0]["data"][0])
    assert int.from_bytes(data[64:72], "little") == pool.base.amount + 10**8
    net.send(unsigned)
    net.node.tick(2)
    assert net.ask("localnet_ledger")["landings"] == []
    assert net.pool("AAPL", "raydium") == pool


def test_an_airdrop_lands_as_a_transfer(net: Localnet) -> None:
    to = Keypair().pubkey()
    signature = net.ask("requestAirdrop", str(to), LAMPORTS)
    net.node.tick(2)
    assert net.status(signature) is not None
    assert net.balance(to, "confirmed") == LAMPORTS


def test_every_shipped_instrument_has_two_pools_at_its_price() -> None:
    net = a_localnet(*(each.symbol for each in INSTRUMENTS))
    for instrument in INSTRUMENTS:
        for venue in ("raydium", "meteora"):
            pool = net.pool(instrument.symbol, venue)
            assert pool.base.decimals == instrument.decimals
            base = pool.base.amount / 10**instrument.decimals
            price = pool.usdc.amount / 10**6 / base
            assert price == pytest.approx(float(instrument.reference_price), rel=1e-6)
    net.node.close()
