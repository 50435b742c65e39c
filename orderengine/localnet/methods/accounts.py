"""Accounts, balances and airdrops."""

import base64
from collections.abc import Mapping
from typing import Any

from solders.account import Account
from solders.hash import Hash
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from orderengine.localnet.accounts import decimals_of, token_of
from orderengine.localnet.base58 import base58
from orderengine.localnet.errors import RpcRefusal, invalid_params
from orderengine.localnet.meta import amount_document
from orderengine.localnet.methods.params import Params, key_of
from orderengine.localnet.store import Block
from orderengine.localnet.views import View, context
from orderengine.solana.accounts import TOKEN_PROGRAMS

MOST_ACCOUNTS = 100
_MOST_BASE58 = 128
_NEVER = 2**64 - 1


def get_balance(view: View, params: Params) -> Any:
    """The lamports of an account."""
    block = view.block_for(params.config(1))
    account = view.node.bank.account(params.key(0), block.slot)
    return context(block, 0 if account is None else account.lamports)


def get_account_info(view: View, params: Params) -> Any:
    """An account, or null."""
    config = params.config(1)
    block = view.block_for(config)
    return context(block, _shown(view, params.key(0), block, config))


def get_multiple_accounts(view: View, params: Params) -> Any:
    """Up to 100 accounts as of one slot."""
    config, keys = params.config(1), params.texts(0)
    if len(keys) > MOST_ACCOUNTS:
        raise invalid_params(f"Too many inputs provided; max {MOST_ACCOUNTS}")
    block = view.block_for(config)
    config = {"encoding": "base64", **config}
    return context(block, [_shown(view, key_of(key), block, config) for key in keys])


def get_token_account_balance(view: View, params: Params) -> Any:
    """The tokens in an account."""
    block = view.block_for(params.config(1))
    account = view.node.bank.account(params.key(0), block.slot)
    if account is None:
        raise RpcRefusal(-32602, "Invalid param: could not find account")
    token = token_of(account)
    if token is None:
        raise RpcRefusal(-32602, "Invalid param: not a Token account")
    decimals = decimals_of(view.node.bank.account(token.mint, block.slot))
    return context(block, amount_document(token.amount, decimals or 0))


def get_token_accounts_by_owner(view: View, params: Params) -> Any:
    """The token accounts of an owner that are of a mint or of a token program."""
    owner, wanted, config = params.key(0), params.config(1), params.config(2)
    block = view.block_for(config)
    mint = key_of(wanted["mint"]) if "mint" in wanted else None
    programs = {key_of(wanted["programId"])} if "programId" in wanted else set(TOKEN_PROGRAMS)
    if mint is None and "programId" not in wanted:
        raise invalid_params("mint or programId is expected at 1")
    found = []
    for program in programs.intersection(TOKEN_PROGRAMS):
        for key, _ in view.node.bank.owned_by(program):
            account = view.node.bank.account(key, block.slot)
            token = None if account is None else token_of(account)
            if account and token and token.owner == owner and mint in {None, token.mint}:
                found.append({"pubkey": str(key), "account": account_document(account, config)})
    return context(block, found)


def request_airdrop(view: View, params: Params) -> Any:
    """Send lamports from the faucet: the signature of a transfer that lands as others do."""
    node, block = view.node, view.block("confirmed")
    to, lamports = params.key(0), params.integer(1)
    terms = TransferParams(from_pubkey=node.faucet.pubkey(), to_pubkey=to, lamports=lamports)
    message = MessageV0.try_compile(
        node.faucet.pubkey(), [transfer(terms)], [], Hash.from_string(block.hash)
    )
    transaction = VersionedTransaction(message, [node.faucet])
    node.receive(transaction)
    return str(transaction.signatures[0])


def account_document(account: Account, config: Mapping[str, Any]) -> dict[str, Any]:
    """An account as JSON, in the encoding that was asked for."""
    return {
        "lamports": account.lamports,
        "owner": str(account.owner),
        "executable": account.executable,
        "rentEpoch": _NEVER,
        "space": len(account.data),
        "data": _data(account.data, config),
    }


def _shown(view: View, key: Pubkey, block: Block, config: Mapping[str, Any]) -> Any:
    account = view.node.bank.account(key, block.slot)
    return None if account is None else account_document(account, config)


def _data(data: bytes, config: Mapping[str, Any]) -> Any:
    part = config.get("dataSlice")
    if part is not None:
        data = data[part["offset"] : part["offset"] + part["length"]]
    encoding = config.get("encoding") or "base58"
    if encoding == "base64":
        return [base64.b64encode(data).decode(), encoding]
    if encoding != "base58":
        raise invalid_params(f"this node encodes as base64 or base58, not {encoding!r}")
    if len(data) > _MOST_BASE58:
        text = "Encoded binary (base 58) data should be less than 128 bytes, please use Base64"
        raise RpcRefusal(-32600, f"{text} encoding.")
    return [base58(data), encoding]
