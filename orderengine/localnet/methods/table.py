"""The methods by the names that requests give."""

from collections.abc import Callable, Mapping
from typing import Any

from orderengine.localnet.errors import method_not_found
from orderengine.localnet.methods import accounts, chain, landings, local, sending
from orderengine.localnet.methods.params import Params
from orderengine.localnet.views import View

Method = Callable[[View, Params], Any]

METHODS: Mapping[str, Method] = {
    "getAccountInfo": accounts.get_account_info,
    "getBalance": accounts.get_balance,
    "getBlockHeight": chain.get_block_height,
    "getBlocks": chain.get_blocks,
    "getBlockTime": chain.get_block_time,
    "getEpochInfo": chain.get_epoch_info,
    "getFirstAvailableBlock": chain.get_first_available_block,
    "getGenesisHash": chain.get_genesis_hash,
    "getHealth": chain.get_health,
    "getLatestBlockhash": chain.get_latest_blockhash,
    "getMinimumBalanceForRentExemption": chain.get_minimum_balance_for_rent_exemption,
    "getMultipleAccounts": accounts.get_multiple_accounts,
    "getRecentPrioritizationFees": chain.get_recent_prioritization_fees,
    "getSignaturesForAddress": landings.get_signatures_for_address,
    "getSignatureStatuses": landings.get_signature_statuses,
    "getSlot": chain.get_slot,
    "getTokenAccountBalance": accounts.get_token_account_balance,
    "getTokenAccountsByOwner": accounts.get_token_accounts_by_owner,
    "getTransaction": landings.get_transaction,
    "getVersion": chain.get_version,
    "isBlockhashValid": chain.is_blockhash_valid,
    "requestAirdrop": accounts.request_airdrop,
    "sendTransaction": sending.send_transaction,
    "simulateTransaction": sending.simulate_transaction,
    "localnet_ledger": local.ledger,
    "localnet_requests": local.requests,
}
FAULTS: Mapping[str, Method] = {"localnet_fault": local.fault}
"""Methods of a node that was started with faults."""


def call(view: View, method: str, params: object, *, with_faults: bool = False) -> Any:
    """The result of one request; raises RpcRefusal."""
    found = METHODS.get(method) or (FAULTS.get(method) if with_faults else None)
    if found is None:
        raise method_not_found()
    read = Params(params)
    with view.node.lock:
        if found.__module__ != local.__name__:
            view.requests[method] += 1
        return found(view, read)
