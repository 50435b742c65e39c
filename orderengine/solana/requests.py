"""The requests to one node, with typed answers: blocks, statuses, accounts, transactions.

Each function asks one node. An answer that is not what the protocol says raises RpcUnavailable, so
that a node of another make, or a broken one, never becomes a verdict.

Source: the HTTP methods of Solana's JSON-RPC, https://solana.com/docs/rpc/http.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from solders.hash import Hash, ParseHashError
from solders.pubkey import Pubkey

from orderengine.solana.accounts import Account
from orderengine.solana.rpc import Node
from orderengine.solana.rpc_errors import RpcUnavailable

MOST_STATUSES: Final = 256
"""The most signatures of one look. Source: `MAX_GET_SIGNATURE_STATUSES_QUERY_ITEMS` of agave."""
MOST_ACCOUNTS: Final = 100
"""The most accounts of one read. Source: `MAX_MULTIPLE_ACCOUNTS` of anza-xyz/agave."""

CONFIRMED: Final = "confirmed"
FINALIZED: Final = "finalized"

_LARGEST: Final = 2**63 - 1
"""The largest number of a column; slots, heights, lamports and times are far from it."""
_VALIDITY: Final = 150
"""How many blocks a blockhash allows. Source: `MAX_PROCESSING_AGE` of anza-xyz/solana-sdk."""
_SHAPE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, ParseHashError)


@dataclass(frozen=True, slots=True)
class Block:
    """A recent block to sign for: its slot, its hash, and the last height that the hash allows."""

    slot: int
    hash: Hash
    last_valid_height: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a node says of a signature: the slot it landed in, its error, and how sure it is."""

    slot: int
    error: Any
    confirmation: str


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulated transaction: its error or None, the log, and the accounts asked for, after it."""

    slot: int
    error: Any
    logs: tuple[str, ...]
    accounts: tuple[Account | None, ...]


@contextmanager
def _shape_of(method: str) -> Iterator[None]:
    try:
        yield
    except _SHAPE as error:
        detail = f"the answer has another form ({type(error).__name__})"
        raise RpcUnavailable(method, "useless", detail) from None


def genesis_hash(node: Node) -> str:
    """The hash of the chain's first block, which names the cluster."""
    with _shape_of("getGenesisHash"):
        return str(Hash.from_string(node.call("getGenesisHash")))


def latest_block(node: Node, commitment: str = CONFIRMED) -> Block:
    """The latest block, to sign for."""
    with _shape_of("getLatestBlockhash"):
        answer = node.call("getLatestBlockhash", {"commitment": commitment})
        value = answer["value"]
        slot, last_valid = _slot(answer), _number(value["lastValidBlockHeight"])
        if last_valid > slot + _VALIDITY:  # heights count blocks alone: there are fewer than slots
            raise ValueError("a height beyond all slots")
        return Block(slot, Hash.from_string(value["blockhash"]), last_valid)


def block_height(node: Node, commitment: str) -> int:
    """The height of the latest block."""
    with _shape_of("getBlockHeight"):
        return _number(node.call("getBlockHeight", {"commitment": commitment}))


def current_slot(node: Node, commitment: str) -> int:
    """The slot of the latest block; slots without a block make it larger than the height."""
    with _shape_of("getSlot"):
        return _number(node.call("getSlot", {"commitment": commitment}))


def latest_slot_and_height(node: Node, commitment: str) -> tuple[int, int]:
    """Slot and height of the latest block, both of the same one however long the answer takes.

    Source: `Bank::get_epoch_info` of anza-xyz/agave, which reads both from one bank.
    """
    with _shape_of("getEpochInfo"):
        found = node.call("getEpochInfo", {"commitment": commitment})
        return _number(found["absoluteSlot"]), _number(found["blockHeight"])


def first_available_slot(node: Node) -> int:
    """The first slot that the node has a block of."""
    with _shape_of("getFirstAvailableBlock"):
        return _number(node.call("getFirstAvailableBlock"))


def blocks_between(node: Node, first: int, last: int) -> list[int]:
    """The slots from `first` to `last` that have a finalized block, in order."""
    with _shape_of("getBlocks"):
        found = node.call("getBlocks", first, last, {"commitment": FINALIZED})
        slots = [_number(each) for each in _listed(found)]
        # They are counted as a proof: none may be there twice.
        if any(one >= other for one, other in pairwise([first - 1, *slots, last + 1])):
            raise ValueError("the slots are not in order")
        return slots


def statuses(
    node: Node, signatures: Sequence[str], *, in_history: bool
) -> tuple[int, list[Status | None]]:
    """What the node knows of up to MOST_STATUSES signatures, and the slot at which it answers.

    Without `in_history` it looks only at the last few minutes.
    """
    with _shape_of("getSignatureStatuses"):
        options = {"searchTransactionHistory": in_history}
        answer = node.call("getSignatureStatuses", list(signatures), options)
        found = [_status(each) for each in _listed(answer["value"])]
        if len(found) != len(signatures):
            raise ValueError("not one status for each signature")
        return _slot(answer), found


def accounts(
    node: Node, addresses: Sequence[Pubkey], commitment: str = CONFIRMED
) -> tuple[int, dict[Pubkey, Account | None]]:
    """Up to MOST_ACCOUNTS accounts at one moment, and its slot."""
    with _shape_of("getMultipleAccounts"):
        options = {"commitment": commitment, "encoding": "base64"}
        answer = node.call("getMultipleAccounts", [str(each) for each in addresses], options)
        found = [_account(each) for each in _listed(answer["value"])]
        return _slot(answer), dict(zip(addresses, found, strict=True))


def simulate(
    node: Node, transaction: bytes, min_slot: int, addresses: Sequence[Pubkey] = ()
) -> Simulated:
    """Run an unsigned transaction at a state that is not older than a slot."""
    options: dict[str, Any] = {
        "encoding": "base64",
        "commitment": CONFIRMED,
        "sigVerify": False,
        "minContextSlot": min_slot,
    }
    if addresses:
        named = [str(each) for each in addresses]
        options["accounts"] = {"encoding": "base64", "addresses": named}
    with _shape_of("simulateTransaction"):
        text = base64.b64encode(transaction).decode()
        answer = node.call("simulateTransaction", text, options)
        value = answer["value"]
        return Simulated(
            slot=_slot(answer),
            error=value["err"],
            logs=tuple(str(each) for each in value.get("logs") or ()),
            accounts=tuple(_account(each) for each in value.get("accounts") or ()),
        )


def send(node: Node, transaction: bytes) -> None:
    """Send signed bytes. The node neither checks them first nor sends them again by itself."""
    options = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
    node.call("sendTransaction", base64.b64encode(transaction).decode(), options)


def transaction(node: Node, signature: str, commitment: str) -> Mapping[str, Any] | None:
    """A landed transaction as the node tells it; None if it knows none at this commitment."""
    options = {
        "commitment": commitment,
        "encoding": "json",
        "maxSupportedTransactionVersion": 0,
    }
    with _shape_of("getTransaction"):
        found = node.call("getTransaction", signature, options)
        if found is not None and not isinstance(found, dict):
            raise TypeError("no transaction")
        return found


@dataclass(frozen=True, slots=True)
class Named:
    """A transaction that names an address; `at_s` is the time of its block, if that is known."""

    signature: str
    memo: str
    at_s: int | None


def transactions_of(node: Node, address: Pubkey, limit: int) -> list[Named]:
    """The latest transactions that name an address, the newest first."""
    with _shape_of("getSignaturesForAddress"):
        options = {"limit": limit, "commitment": CONFIRMED}
        found = _listed(node.call("getSignaturesForAddress", str(address), options))
        return [_named(each) for each in found]


def _named(found: Any) -> Named:
    signature, memo, at_s = found["signature"], found.get("memo") or "", found.get("blockTime")
    if not isinstance(signature, str) or not isinstance(memo, str):
        raise TypeError("a signature or a memo is no text")
    return Named(signature, memo, None if at_s is None else _number(at_s))


def in_parts(addresses: Sequence[Pubkey], size: int = MOST_ACCOUNTS) -> list[Sequence[Pubkey]]:
    """Addresses in lists that one request may name."""
    return [addresses[start : start + size] for start in range(0, len(addresses), size)]


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError("no whole number")
    return value


def _slot(answer: Any) -> int:
    return _number(answer["context"]["slot"])


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _status(value: Any) -> Status | None:
    if value is None:
        return None
    confirmation = value.get("confirmationStatus")
    if confirmation not in {"processed", CONFIRMED, FINALIZED}:
        raise ValueError("no confirmation status")
    return Status(_number(value["slot"]), value["err"], confirmation)


def _account(value: Any) -> Account | None:
    if value is None:
        return None
    text, encoding = value["data"]
    if encoding != "base64":
        raise ValueError("another encoding")
    owner = Pubkey.from_string(value["owner"])
    return Account(owner, base64.b64decode(text, validate=True), _number(value["lamports"]))
