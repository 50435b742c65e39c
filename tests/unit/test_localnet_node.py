"""The localnet's node: blocks, commitments, the window, duplicates, forks, and restarts."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from orderengine.domain.side import Side
from orderengine.localnet.errors import RpcRefusal
from orderengine.localnet.node import WINDOW, LocalNode
from orderengine.localnet.pools import set_up
from tests.localnet import INSTRUMENTS, Localnet, a_localnet, only, signed

LAMPORTS = 10**9


@pytest.fixture
def net() -> Iterator[Localnet]:
    net = a_localnet()
    yield net
    net.node.close()


def gift(net: Localnet, to: Pubkey, lamports: int = LAMPORTS) -> VersionedTransaction:
    terms = TransferParams(from_pubkey=net.wallet.pubkey(), to_pubkey=to, lamports=lamports)
    return net.signed(transfer(terms))


def balance(net: Localnet, key: Pubkey, commitment: str) -> int:
    found: int = net.ask("getBalance", str(key), {"commitment": commitment})["value"]
    return found


def code_of(net: Localnet, method: str, *params: object) -> tuple[int, object]:
    with pytest.raises(RpcRefusal) as refused:
        net.ask(method, *params)
    return refused.value.code, refused.value.data


def test_a_landing_is_seen_at_each_commitment_in_turn(net: Localnet) -> None:
    to = Keypair().pubkey()
    signature = net.send(gift(net, to))
    assert net.status(signature) is None
    net.node.tick()
    seen = net.status(signature)
    assert seen is not None
    assert (seen["confirmationStatus"], seen["err"]) == ("processed", None)
    assert [balance(net, to, each) for each in ("processed", "confirmed", "finalized")] == [
        LAMPORTS,
        0,
        0,
    ]
    net.node.tick()
    seen = net.status(signature)
    assert seen is not None
    assert (seen["confirmationStatus"], seen["confirmations"]) == ("confirmed", 1)
    assert [balance(net, to, each) for each in ("confirmed", "finalized")] == [LAMPORTS, 0]
    net.node.tick(31)
    seen = net.status(signature)
    assert seen is not None
    assert (seen["confirmationStatus"], seen["confirmations"]) == ("finalized", None)
    assert balance(net, to, "finalized") == LAMPORTS


def test_the_same_bytes_land_once(net: Localnet) -> None:
    to = Keypair().pubkey()
    transaction = gift(net, to)
    assert net.send(transaction) == net.send(transaction)
    net.node.tick()
    assert net.send(transaction) == str(transaction.signatures[0])
    net.node.tick(2)
    assert balance(net, to, "processed") == LAMPORTS
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
    transactions = [gift(net, Keypair().pubkey()) for _ in range(50)]
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
    transaction = gift(net, Keypair().pubkey())
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
    good, other = gift(net, Keypair().pubkey()), gift(net, Keypair().pubkey())
    forged = VersionedTransaction.populate(good.message, other.signatures)
    wire = base64.b64encode(bytes(forged)).decode()
    assert code_of(net, "sendTransaction", wire, {"encoding": "base64"})[0] == -32003
    net.send(forged)
    net.node.tick(2)
    assert net.ask("localnet_ledger")["landings"] == []


def test_a_failed_swap_costs_its_fee(net: Localnet) -> None:
    swap = net.swap("AAPL", "raydium", Side.BUY, 10**8, 1)
    before = balance(net, net.wallet.pubkey(), "processed")
    signature = net.send(net.signed(swap))
    net.node.tick(2)
    failure = {"InstructionError": [0, {"Custom": 6005}]}
    seen = net.status(signature)
    assert seen is not None
    assert (seen["err"], seen["status"]) == (failure, {"Err": failure})
    assert before - balance(net, net.wallet.pubkey(), "processed") == 5_000
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
    signature = poor.send(gift(poor, Keypair().pubkey()))
    net.node.tick(2)
    assert net.status(signature) is None


def test_a_forked_block_takes_its_landings_with_it(net: Localnet) -> None:
    to = Keypair().pubkey()
    transaction = gift(net, to)
    signature = net.send(transaction)
    net.node.tick()
    forked = net.node.blocks[-1]
    assert net.node.fork_away()
    assert net.status(signature) is None
    assert balance(net, to, "processed") == 0
    net.send(transaction)
    net.node.tick()
    made = net.node.blocks[-1]
    assert (made.height, made.slot) == (forked.height, forked.slot + 1)
    assert balance(net, to, "processed") == LAMPORTS
    net.node.tick()
    slots = net.ask("getBlocks", forked.slot - 1, made.slot, {"commitment": "confirmed"})
    assert slots == [forked.slot - 1, made.slot]
    assert net.ask("localnet_ledger")["forked"] == [{"signature": signature, "slot": forked.slot}]


def test_a_fork_takes_back_no_commitment(net: Localnet) -> None:
    signature = net.send(gift(net, Keypair().pubkey()))
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
    net.send(gift(net, poor.wallet.pubkey()))
    net.node.tick()
    unsigned = gift(poor, rich.pubkey(), 1_000)
    at = {
        each: poor.simulate(unsigned, commitment=each)["err"] for each in ("processed", "confirmed")
    }
    assert at == {"processed": None, "confirmed": "AccountNotFound"}
    assert balance(net, poor.wallet.pubkey(), "processed") == LAMPORTS


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
    assert balance(net, to, "confirmed") == LAMPORTS


def test_a_restart_keeps_the_chain(tmp_path: Path) -> None:
    net = a_localnet(folder=tmp_path)
    to = Keypair().pubkey()
    transaction = gift(net, to)
    signature = net.send(transaction)
    net.node.tick()
    pool, genesis, blocks = net.pool("AAPL", "raydium"), net.node.genesis, net.node.blocks
    net.node.close()
    again = Localnet(LocalNode(tmp_path), net.wallet)
    set_up(again.node, only("AAPL"), net.wallet.pubkey())
    assert (again.node.genesis, again.node.blocks) == (genesis, blocks)
    assert again.pool("AAPL", "raydium") == pool
    at = {each: balance(again, to, each) for each in ("processed", "confirmed")}
    assert at == {"processed": LAMPORTS, "confirmed": 0}
    again.send(transaction)
    again.node.tick(2)
    assert balance(again, to, "processed") == LAMPORTS
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
