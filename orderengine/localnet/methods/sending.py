"""Sending and simulating transactions."""

import base64
import binascii
from typing import Any

from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from orderengine.localnet.bank import Execution
from orderengine.localnet.errors import bad_signature, invalid_params, simulation_failed
from orderengine.localnet.failures import Failure, sentence_of
from orderengine.localnet.meta import inner_of
from orderengine.localnet.methods.accounts import account_document
from orderengine.localnet.methods.params import Params, key_of
from orderengine.localnet.node import WINDOW
from orderengine.localnet.store import Block
from orderengine.localnet.views import View, context

MOST_BYTES = 1_232
_ENCODED = 1_644

Document = dict[str, Any]


def send_transaction(view: View, params: Params) -> Any:
    """Hand a transaction to the leader: its signature, which says nothing about landing."""
    config = params.config(1)
    transaction = _decoded(params.text(0), config)
    if not config.get("skipPreflight"):
        _preflight(view, transaction, config)
    if not view.loses(view.send_loss_rate):
        view.node.receive(transaction)
    return str(transaction.signatures[0])


def simulate_transaction(view: View, params: Params) -> Any:
    """Run a transaction without keeping anything, unsigned if `sigVerify` is not set."""
    config = params.config(1)
    transaction = _decoded(params.text(0), config)
    replaces = bool(config.get("replaceRecentBlockhash"))
    if config.get("sigVerify"):
        if replaces:
            raise invalid_params("sigVerify may not be used with replaceRecentBlockhash")
        if not all(transaction.verify_with_results()):
            raise bad_signature()
    block = view.block_for(config)
    if not replaces and not _is_known(view, transaction, block):
        return context(block, _failed("BlockhashNotFound"))
    execution = view.node.bank.simulate(transaction, block.slot)
    value = _simulated(execution, inner=bool(config.get("innerInstructions")))
    if "accounts" in config:
        value["accounts"] = _asked(view, execution, block, config["accounts"])
    if replaces:
        last = block.height + WINDOW
        value["replacementBlockhash"] = {"blockhash": block.hash, "lastValidBlockHeight": last}
    return context(block, value)


def _preflight(view: View, transaction: VersionedTransaction, config: Document) -> None:
    if not all(transaction.verify_with_results()):
        raise bad_signature()
    view.require_health()
    wanted = {**config, "commitment": config.get("preflightCommitment")}
    block = view.block_for(wanted)
    # A node looks at the age first: long after a landing, its signature is one it does not know.
    if not _is_known(view, transaction, block):
        failed: Document | None = _failed("BlockhashNotFound")
    elif view.outcome(str(transaction.signatures[0]), block) is not None:
        failed = _failed("AlreadyProcessed")
    else:
        execution = view.node.bank.simulate(transaction, block.slot)
        failed = None if execution.failure is None else _simulated(execution, inner=False)
    if failed is not None:
        raise simulation_failed(sentence_of(failed["err"]), failed)


def _is_known(view: View, transaction: VersionedTransaction, block: Block) -> bool:
    made = view.node.height_of(transaction.message.recent_blockhash)
    return made is not None and made <= block.height <= made + WINDOW


def _failed(failure: Failure) -> Document:
    return {
        "err": failure,
        "logs": [],
        "accounts": None,
        "unitsConsumed": 0,
        "loadedAccountsDataSize": 0,
        "returnData": None,
        "innerInstructions": None,
        "replacementBlockhash": None,
    }


def _simulated(execution: Execution, *, inner: bool) -> Document:
    meta = execution.meta
    returned = meta.return_data()
    data = base64.b64encode(bytes(returned.data)).decode()
    return {
        "err": execution.failure,
        "logs": meta.logs(),
        "accounts": None,
        "unitsConsumed": meta.compute_units_consumed(),
        "loadedAccountsDataSize": sum(
            len(account.data) for account in execution.before.values() if account is not None
        ),
        "returnData": {"programId": str(returned.program_id), "data": [data, "base64"]}
        if data
        else None,
        "innerInstructions": inner_of(meta) if inner else None,
        "replacementBlockhash": None,
    }


def _asked(view: View, execution: Execution, block: Block, wanted: Document) -> list[Any]:
    keys = [key_of(address) for address in wanted.get("addresses", ())]
    if execution.failure is not None:
        return [None] * len(keys)
    config = {"encoding": "base64", **wanted}
    found = [
        execution.after[key] if key in execution.after else view.node.bank.account(key, block.slot)
        for key in keys
    ]
    return [None if each is None else account_document(each, config) for each in found]


def _decoded(text: str, config: Document) -> VersionedTransaction:
    if (config.get("encoding") or "base58") != "base64":
        raise invalid_params("this node takes transactions as base64 only")
    if len(text) > _ENCODED:
        sizes = f"{len(text)} bytes (max: encoded/raw {_ENCODED}/{MOST_BYTES})"
        raise invalid_params(f"base64 encoded VersionedTransaction too large: {sizes}")
    try:
        content = base64.b64decode(text, validate=True)
        transaction = VersionedTransaction.from_bytes(content)
        transaction.sanitize()
    except (binascii.Error, ValueError) as error:
        raise invalid_params(f"failed to deserialize VersionedTransaction: {error}") from error
    if len(content) > MOST_BYTES:
        sizes = f"{len(content)} bytes (max: {MOST_BYTES} bytes)"
        raise invalid_params(f"decoded VersionedTransaction too large: {sizes}")
    message = transaction.message
    if isinstance(message, MessageV0) and message.address_table_lookups:
        raise invalid_params("this node knows no address lookup tables")
    return transaction
