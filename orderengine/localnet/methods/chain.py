"""Blocks, slots, heights and hashes."""

from typing import Any

from solders.hash import Hash

from orderengine.localnet.errors import RpcRefusal, invalid_params
from orderengine.localnet.methods.params import Params
from orderengine.localnet.node import WINDOW
from orderengine.localnet.views import View, context

MOST_SLOTS = 500_000
SLOTS_IN_EPOCH = 432_000


def get_health(view: View, _params: Params) -> Any:
    """`ok`, or an error while the view is behind."""
    view.require_health()
    return "ok"


def get_version(_view: View, _params: Params) -> Any:
    """The release of the software whose protocol this is."""
    return {"solana-core": "3.0.0", "feature-set": 0}


def get_genesis_hash(view: View, _params: Params) -> Any:
    """The chain's own name: a localnet that began anew has another one."""
    return view.node.genesis


def get_block_height(view: View, params: Params) -> Any:
    """The number of blocks below the newest one."""
    return view.block_for(params.config(0)).height


def get_slot(view: View, params: Params) -> Any:
    """The slot of the newest block."""
    return view.block_for(params.config(0)).slot


def get_epoch_info(view: View, params: Params) -> Any:
    """Slot and height of the newest block, and where in its epoch it is."""
    block = view.block_for(params.config(0))
    epoch, index = divmod(block.slot, SLOTS_IN_EPOCH)
    return {
        "absoluteSlot": block.slot,
        "blockHeight": block.height,
        "epoch": epoch,
        "slotIndex": index,
        "slotsInEpoch": SLOTS_IN_EPOCH,
        "transactionCount": None,
    }


def get_latest_blockhash(view: View, params: Params) -> Any:
    """The newest hash, and the last height at which a transaction that names it can land."""
    block = view.block_for(params.config(0))
    value = {"blockhash": block.hash, "lastValidBlockHeight": block.height + WINDOW}
    return context(block, value)


def is_blockhash_valid(view: View, params: Params) -> Any:
    """Whether a transaction that names this hash could land."""
    block = view.block_for(params.config(1))
    made = view.node.height_of(hash_of(params.text(0)))
    return context(block, made is not None and made <= block.height <= made + WINDOW)


def get_first_available_block(view: View, _params: Params) -> Any:
    """The oldest slot that this view can show."""
    return view.oldest_slot()


def get_blocks(view: View, params: Params) -> Any:
    """The slots that have a block, from one to another."""
    config = params.config(2) or (params.config(1) if params.integer_or_none(1) is None else {})
    newest = view.confirmed_block_for(config).slot
    first, last = params.integer(0), params.integer_or_none(1)
    last = newest if last is None else min(last, newest)
    if last - first > MOST_SLOTS:
        raise invalid_params(f"Slot range too large; max {MOST_SLOTS}")
    first = max(first, view.oldest_slot())
    return [block.slot for block in view.node.store.blocks_between(first, last, MOST_SLOTS + 1)]


def get_block_time(view: View, params: Params) -> Any:
    """The time of a block, in seconds since 1970."""
    slot = params.integer(0)
    if slot > view.block("confirmed").slot:
        raise RpcRefusal(-32004, f"Block not available for slot {slot}")
    oldest = view.oldest_slot()
    if slot < oldest:
        text = f"Block {slot} cleaned up, does not exist on node. First available block: {oldest}"
        raise RpcRefusal(-32001, text)
    block = view.node.store.block(slot)
    if block is None:
        text = f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot"
        raise RpcRefusal(-32007, text)
    return block.time


def get_recent_prioritization_fees(view: View, _params: Params) -> Any:
    """Nobody competes for blocks here: 0 for each of the last ones."""
    newest = view.block("processed")
    slots = [block.slot for block in view.node.blocks if block.slot <= newest.slot]
    return [{"slot": slot, "prioritizationFee": 0} for slot in slots[-WINDOW:]]


def get_minimum_balance_for_rent_exemption(view: View, params: Params) -> Any:
    """The lamports that an account of a size must hold."""
    return view.node.bank.rent(params.integer(0))


def hash_of(text: str) -> Hash:
    """The blockhash of a text."""
    try:
        return Hash.from_string(text)
    except ValueError as error:
        raise invalid_params(f"{text!r} is no blockhash") from error
