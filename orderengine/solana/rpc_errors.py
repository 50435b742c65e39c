"""The errors of a node's JSON-RPC: every one of them is "no answer", and never a verdict on a swap.

Codes: `rpc_custom_error.rs` of anza-xyz/agave (`rpc-client-types`), and JSON-RPC 2.0.
"""

from orderengine.domain.errors import NetworkUnavailable

NODE_BEHIND = -32005
HISTORY_NOT_KEPT = -32011
VERSION_NOT_SUPPORTED = -32015
MIN_SLOT_NOT_REACHED = -32016
RATE_LIMITED = -32429
METHOD_NOT_FOUND = -32601

_NAMES = {
    -32002: "preflight_failed",
    -32003: "bad_signature",
    -32004: "block_missing",
    NODE_BEHIND: "node_behind",
    -32007: "slot_skipped",
    -32009: "slot_missing",
    HISTORY_NOT_KEPT: "history_not_kept",
    -32014: "block_status_missing",
    VERSION_NOT_SUPPORTED: "version_not_supported",
    MIN_SLOT_NOT_REACHED: "min_slot_not_reached",
    RATE_LIMITED: "rate_limited",
    -32600: "invalid_request",
    METHOD_NOT_FOUND: "method_not_found",
    -32602: "invalid_params",
    -32603: "internal_error",
}
_LONGEST_TEXT = 300


def printable(text: str) -> str:
    """A node's text without what PostgreSQL refuses, such as NUL and half a character."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


class RpcUnavailable(NetworkUnavailable):
    """A node gave no answer that can be used; `cause` says why, in one word, for metrics."""

    def __init__(self, method: str, cause: str, detail: str) -> None:
        super().__init__(f"{method}: {printable(detail[:_LONGEST_TEXT])}")
        self.cause = cause


class RpcRefused(RpcUnavailable):
    """A node answered with an error instead of a result; `code` is JSON-RPC's."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(method, _NAMES.get(code, "other"), f"{message} ({code})")
        self.code = code


class RateLimited(RpcUnavailable):
    """A node asks to be left alone for a time; see `rests_s`."""

    def __init__(self, method: str, rests_s: float) -> None:
        super().__init__(method, _NAMES[RATE_LIMITED], "the node limits requests")
        self.rests_s = rests_s


class WrongCluster(NetworkUnavailable):
    """A node belongs to a cluster that this process does not trade on."""
