"""The `meta` of a landed transaction, as `getTransaction` shows it."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata

from orderengine.localnet.accounts import decimals_of, token_of
from orderengine.localnet.bank import Execution, State
from orderengine.localnet.base58 import base58
from orderengine.localnet.failures import Failure
from orderengine.solana.accounts import MEMO_PROGRAM

Document = dict[str, Any]


def meta_of(execution: Execution, mints: Mapping[Pubkey, Account | None]) -> Document:
    """The whole `meta`; `mints` are those of the transaction's token accounts."""
    meta, keys = execution.meta, list(execution.before)
    return {
        "err": execution.failure,
        "status": status_of(execution.failure),
        "fee": meta.fee(),
        "preBalances": _balances(execution.before),
        "postBalances": _balances(execution.after),
        "preTokenBalances": _token_balances(keys, execution.before, mints),
        "postTokenBalances": _token_balances(keys, execution.after, mints),
        "innerInstructions": inner_of(meta),
        "logMessages": meta.logs(),
        "rewards": [],
        "loadedAddresses": {"writable": [], "readonly": []},
        "computeUnitsConsumed": meta.compute_units_consumed(),
    }


def status_of(failure: Failure | None) -> Document:
    """The older form of `err`, which nodes still write."""
    return {"Ok": None} if failure is None else {"Err": failure}


def inner_of(meta: TransactionMetadata) -> list[Document]:
    """The instructions that programs called, by the index of the outer one."""
    found = []
    for index, called in enumerate(meta.inner_instructions()):
        if called:
            shown = [
                {
                    "programIdIndex": each.instruction().program_id_index,
                    "accounts": list(each.instruction().accounts),
                    "data": base58(bytes(each.instruction().data)),
                    "stackHeight": each.stack_height(),
                }
                for each in called
            ]
            found.append({"index": index, "instructions": shown})
    return found


def amount_document(units: int, decimals: int) -> Document:
    """A token amount: base units as text, and the number that wallets show."""
    shown = format(Decimal(units).scaleb(-decimals), "f")
    trimmed = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return {
        "amount": str(units),
        "decimals": decimals,
        "uiAmount": float(shown),
        "uiAmountString": trimmed,
    }


def memo_of(transaction: VersionedTransaction) -> str | None:
    """The text of the first memo instruction, or None."""
    keys = transaction.message.account_keys
    for instruction in transaction.message.instructions:
        if keys[instruction.program_id_index] == MEMO_PROGRAM:
            return bytes(instruction.data).decode(errors="replace")
    return None


def token_deltas(meta: str, content: bytes) -> list[Document]:
    """How much each token account of a stored landing gained: account, mint, owner and units."""
    document = json.loads(meta)
    keys = VersionedTransaction.from_bytes(content).message.account_keys
    found: dict[int, Document] = {}
    for sign, name in ((-1, "preTokenBalances"), (1, "postTokenBalances")):
        for balance in document[name]:
            index = balance["accountIndex"]
            entry = found.setdefault(
                index,
                {
                    "account": str(keys[index]),
                    "mint": balance["mint"],
                    "owner": balance["owner"],
                    "units": 0,
                },
            )
            entry["units"] += sign * int(balance["uiTokenAmount"]["amount"])
    return list(found.values())


def _balances(state: State) -> list[int]:
    return [0 if account is None else account.lamports for account in state.values()]


def _token_balances(
    keys: list[Pubkey], state: State, mints: Mapping[Pubkey, Account | None]
) -> list[Document]:
    found = []
    for index, key in enumerate(keys):
        account = state[key]
        token = None if account is None else token_of(account)
        if account is None or token is None:
            continue
        decimals = decimals_of(mints.get(token.mint))
        if decimals is not None:
            found.append(
                {
                    "accountIndex": index,
                    "mint": str(token.mint),
                    "owner": str(token.owner),
                    "programId": str(account.owner),
                    "uiTokenAmount": amount_document(token.amount, decimals),
                }
            )
    return found


def mints_in(execution: Execution) -> set[Pubkey]:
    """The mints of the token accounts of a transaction, before and after it."""
    return {
        token.mint
        for state in (execution.before, execution.after)
        for account in state.values()
        if account is not None and (token := token_of(account)) is not None
    }
