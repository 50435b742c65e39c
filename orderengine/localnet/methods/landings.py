"""Landed transactions and their statuses."""

import base64
import json
from typing import Any

from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from orderengine.localnet.base58 import base58
from orderengine.localnet.errors import invalid_params, no_history, unsupported_version
from orderengine.localnet.meta import status_of
from orderengine.localnet.methods.params import Params
from orderengine.localnet.store import Block, Landing
from orderengine.localnet.views import BEHIND, View, context

MOST_SIGNATURES = 256
MOST_LISTED = 1_000
_REMEMBERED_BLOCKS = 300
"""Without a search of the history a node knows the landings of so many blocks."""

Document = dict[str, Any]


def get_signature_statuses(view: View, params: Params) -> Any:
    """The status of each signature, or null for one that this view does not know."""
    signatures = params.texts(0)
    if len(signatures) > MOST_SIGNATURES:
        raise invalid_params(f"Too many inputs provided; max {MOST_SIGNATURES}")
    searches = bool(params.config(1).get("searchTransactionHistory"))
    if searches and not view.keeps_history:
        raise no_history()
    block = view.block("processed")
    oldest = 0 if searches else _remembered(view)
    found = [_status(view, signature, block, oldest) for signature in signatures]
    return context(block, found)


def get_transaction(view: View, params: Params) -> Any:
    """A landed transaction, or null."""
    config = params.config(1)
    if not view.keeps_history:
        raise no_history()
    block = view.confirmed_block_for(config)
    landing = view.node.store.landing(params.text(0))
    if landing is None or not view.first_slot <= landing.slot <= block.slot:
        return None
    transaction = VersionedTransaction.from_bytes(landing.content)
    is_legacy = not isinstance(transaction.message, MessageV0)
    if not is_legacy and config.get("maxSupportedTransactionVersion") is None:
        raise unsupported_version()
    made = view.node.store.block(landing.slot)
    return {
        "slot": landing.slot,
        "blockTime": made and made.time,
        "meta": json.loads(landing.meta),
        "transaction": _encoded(transaction, config.get("encoding") or "json"),
        "version": "legacy" if is_legacy else 0,
    }


def get_signatures_for_address(view: View, params: Params) -> Any:
    """The landings that name an address, newest first."""
    key, config = params.key(0), params.config(1)
    if not view.keeps_history:
        raise no_history()
    block = view.confirmed_block_for(config)
    limit = config.get("limit", MOST_LISTED)
    if not 1 <= limit <= MOST_LISTED:
        raise invalid_params(f"Invalid limit; max {MOST_LISTED}")
    found: list[Document] = []
    passed = config.get("before") is None
    for landing in view.node.store.landings_down(first=view.first_slot, last=block.slot):
        if landing.signature == config.get("until") or len(found) == limit:
            break
        if passed and _names(landing, key):
            found.append(_listed(view, landing))
        passed = passed or landing.signature == config.get("before")
    return found


def _status(view: View, signature: str, block: Block, oldest: int) -> Document | None:
    outcome = view.outcome(signature, block)
    if outcome is None or outcome[0] < oldest:
        return None
    slot, failure_text = outcome
    failure, commitment = json.loads(failure_text), view.commitment_of(slot)
    is_final = commitment == "finalized"
    return {
        "slot": slot,
        "confirmations": None if is_final else _blocks_since(view, slot),
        "err": failure,
        "status": status_of(failure),
        "confirmationStatus": commitment,
    }


def _blocks_since(view: View, slot: int) -> int:
    newest = view.block("processed").slot
    last = view.node.blocks[-BEHIND["finalized"] - view.lag_blocks - 1 :]
    return sum(slot < block.slot <= newest for block in last)


def _remembered(view: View) -> int:
    blocks = view.node.blocks
    return blocks[max(0, len(blocks) - _REMEMBERED_BLOCKS)].slot


def _names(landing: Landing, key: Pubkey) -> bool:
    return bytes(key) in landing.content and key in (
        VersionedTransaction.from_bytes(landing.content).message.account_keys
    )


def _listed(view: View, landing: Landing) -> Document:
    made = view.node.store.block(landing.slot)
    memo = landing.memo
    return {
        "signature": landing.signature,
        "slot": landing.slot,
        "err": json.loads(landing.failure),
        "memo": None if memo is None else f"[{len(memo.encode())}] {memo}",
        "blockTime": made and made.time,
        "confirmationStatus": view.commitment_of(landing.slot),
    }


def _encoded(transaction: VersionedTransaction, encoding: str) -> Any:
    if encoding == "base64":
        return [base64.b64encode(bytes(transaction)).decode(), encoding]
    if encoding == "base58":
        return [base58(bytes(transaction)), encoding]
    if encoding != "json":
        raise invalid_params(f"this node encodes as json, base64 or base58, not {encoding!r}")
    message = transaction.message
    header = message.header
    shown: Document = {
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "accountKeys": [str(key) for key in message.account_keys],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programIdIndex": each.program_id_index,
                "accounts": list(each.accounts),
                "data": base58(bytes(each.data)),
                "stackHeight": 1,
            }
            for each in message.instructions
        ],
    }
    if isinstance(message, MessageV0):
        shown["addressTableLookups"] = []
    return {"signatures": [str(each) for each in transaction.signatures], "message": shown}
