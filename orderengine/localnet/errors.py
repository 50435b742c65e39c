"""What a node answers instead of a result: JSON-RPC errors with Solana's codes.

Source of the codes: anza-xyz/agave `rpc-client-types/src/custom_error.rs`, and JSON-RPC 2.0 for
those from -32768 to -32600.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RpcRefusal(Exception):
    """A JSON-RPC error: its code, message and data."""

    code: int
    message: str
    data: Any = None

    def document(self) -> Mapping[str, Any]:
        """The `error` member of the answer."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            found["data"] = self.data
        return found


def invalid_params(message: str) -> RpcRefusal:
    """A parameter that the method does not take."""
    return RpcRefusal(-32602, f"Invalid params: {message}")


def method_not_found() -> RpcRefusal:
    """A method that this node does not have."""
    return RpcRefusal(-32601, "Method not found")


def bad_signature() -> RpcRefusal:
    """A transaction with a wrong signature."""
    return RpcRefusal(-32003, "Transaction signature verification failure")


def node_behind(slots: int) -> RpcRefusal:
    """A node that is behind the cluster by so many slots."""
    return RpcRefusal(-32005, f"Node is behind by {slots} slots", {"numSlotsBehind": slots})


def no_history() -> RpcRefusal:
    """A node that keeps no transactions."""
    return RpcRefusal(-32011, "Transaction history is not available from this node")


def unsupported_version() -> RpcRefusal:
    """A v0 transaction, asked for by a client that did not say it knows that version."""
    return RpcRefusal(
        -32015,
        "Transaction version (0) is not supported by the requesting client. Please try the request "
        'again with the following configuration parameter: "maxSupportedTransactionVersion": 0',
    )


def slot_not_reached(slot: int) -> RpcRefusal:
    """A node whose view has not reached the caller's `minContextSlot`."""
    return RpcRefusal(-32016, "Minimum context slot has not been reached", {"contextSlot": slot})


def simulation_failed(text: str, data: Mapping[str, Any]) -> RpcRefusal:
    """A preflight that failed; `data` is what `simulateTransaction` would have answered."""
    return RpcRefusal(-32002, f"Transaction simulation failed: {text}", data)
