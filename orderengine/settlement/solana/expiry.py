"""The proof that transactions can land no more: all of it from one node, in one order.

Any doubt is a NetworkUnavailable, HistoryMissing where the node lacks the time in question: an
order that might have executed is never given up (docs/decisions/0086-proof-of-expiry.md).
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orderengine.domain.errors import HistoryMissing, NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.home import live_network
from orderengine.solana import requests
from orderengine.solana.requests import FINALIZED, Status
from orderengine.solana.rpc import Node
from orderengine.solana.rpc_errors import HISTORY_NOT_KEPT, RpcRefused, WrongCluster

VALIDITY: Final = 150
"""How many blocks a blockhash allows. Source: `MAX_PROCESSING_AGE` of anza-xyz/solana-sdk."""
PART_SLOTS: Final = 100_000
"""Slots of one question for blocks; nodes answer at most 500,000."""

Found = Status | None | NetworkUnavailable


@dataclass(frozen=True, slots=True)
class _Tip:
    """The latest final block of a node, and how far back the node knows blocks."""

    genesis_hash: str
    slot: int
    height: int
    first_slot: int


def proofs_from(node: Node, transactions: Sequence[SignedTransaction]) -> list[Found]:
    """What became of transactions whose last valid heights should be final.

    None is the proof that one never landed and can land no more; an error is no proof yet. Raises
    NetworkUnavailable if the node gives no answer at all.
    """
    tip = _tip_of(node)
    doubts = _doubts(node, tip, transactions)
    # Last, and at a state that is not older than the heights: nothing can land in between.
    asked = [each.signature for each in transactions]
    found: list[Status | None] = []
    for start in range(0, len(asked), requests.MOST_STATUSES):
        part = asked[start : start + requests.MOST_STATUSES]
        seen_at, known = requests.statuses(node, part, in_history=True)
        if seen_at < tip.slot:
            message = f"{node.name} answers for slot {seen_at}, before {tip.slot}"
            raise NetworkUnavailable(message)
        found += known
    return [
        status if status is not None else doubt for status, doubt in zip(found, doubts, strict=True)
    ]


def _tip_of(node: Node) -> _Tip:
    genesis = requests.genesis_hash(node)
    slot, height = requests.latest_slot_and_height(node, FINALIZED)
    return _Tip(genesis, slot, height, requests.first_available_slot(node))


def _doubts(
    node: Node, tip: _Tip, transactions: Sequence[SignedTransaction]
) -> list[NetworkUnavailable | None]:
    """Why the node's "not known" would prove nothing, for each; None where it is a proof."""
    doubts = {each.signature: _doubt(node, tip, each) for each in transactions}
    open_ones = [each for each in transactions if doubts[each.signature] is None]
    if len(open_ones) > 1:
        try:
            lowest = min(each.slot or 0 for each in open_ones)
            blocks = _blocks(node, lowest, tip.slot)
        except NetworkUnavailable:
            pass  # one of them may be the reason: each gets its own answer
        else:
            doubts |= {each.signature: _hole(node, tip, each, blocks) for each in open_ones}
            open_ones = []
    for each in open_ones:
        try:
            own = _blocks(node, each.slot or 0, tip.slot)
            doubts[each.signature] = _hole(node, tip, each, own)
        except NetworkUnavailable as error:
            doubts[each.signature] = error
    return [doubts[each.signature] for each in transactions]


def _doubt(node: Node, tip: _Tip, transaction: SignedTransaction) -> NetworkUnavailable | None:
    if transaction.network != live_network(tip.genesis_hash) or transaction.slot is None:
        return WrongCluster(f"{node.name} is a node of another network")
    last_valid = transaction.last_valid_height
    if tip.height <= last_valid:
        return NetworkUnavailable(f"no proof of expiry yet: block {last_valid} is not past")
    if tip.first_slot > transaction.slot:
        known = f"{node.name} has no block before slot {tip.first_slot}"
        return HistoryMissing(f"{known}, and the swap refers to {transaction.slot}")
    return None


def _blocks(node: Node, first: int, last: int) -> list[int]:
    """The slots of all final blocks; raises HistoryMissing if the node does not keep them."""
    found: list[int] = []
    for start in range(first, last + 1, PART_SLOTS):
        try:
            end = min(start + PART_SLOTS - 1, last)
            found += requests.blocks_between(node, start, end)
        except RpcRefused as error:
            if error.code == HISTORY_NOT_KEPT:
                raise HistoryMissing(str(error)) from error
            raise
    return found


def _hole(
    node: Node, tip: _Tip, transaction: SignedTransaction, blocks: Sequence[int]
) -> HistoryMissing | None:
    """A block that the node lacks in the time in which the swap could land, or since; else None.

    Slots without a block are not the chain's; heights count blocks alone.
    """
    first = transaction.slot or 0
    begins = bisect_left(blocks, first)
    if begins == len(blocks) or blocks[begins] != first:
        return HistoryMissing(f"{node.name} does not have the block at slot {first}")
    expected = tip.height - (transaction.last_valid_height - VALIDITY) + 1
    count = len(blocks) - begins
    if count >= expected:
        return None
    lacking = f"{expected - count} of {expected} blocks"
    return HistoryMissing(f"{node.name} lacks {lacking} since slot {first}")
