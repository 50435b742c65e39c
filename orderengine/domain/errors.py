"""Errors by who must act: the client, a retry, the order's owner, or the operator."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class FailureReason(StrEnum):
    """Why an attempt or the whole order failed; part of the public interface."""

    NO_QUOTE = "NO_QUOTE"
    QUOTE_EXPIRED = "QUOTE_EXPIRED"
    SLIPPAGE_EXCEEDED = "SLIPPAGE_EXCEEDED"
    EXPIRED = "EXPIRED"
    CHAIN_ERROR = "CHAIN_ERROR"
    NETWORK_UNAVAILABLE = "NETWORK_UNAVAILABLE"
    PRICE_LIMIT = "PRICE_LIMIT"
    NOTIONAL_LIMIT = "NOTIONAL_LIMIT"
    DAILY_LIMIT = "DAILY_LIMIT"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    NOT_OPEN = "NOT_OPEN"
    INSTRUMENT_CHANGED = "INSTRUMENT_CHANGED"
    NETWORK_CHANGED = "NETWORK_CHANGED"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    ENGINE_ERROR = "ENGINE_ERROR"
    NOT_FILLED = "NOT_FILLED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    TRANSACTION_TOO_LARGE = "TRANSACTION_TOO_LARGE"
    DRY_RUN = "DRY_RUN"
    HISTORY_MISSING = "HISTORY_MISSING"


class OrderEngineError(Exception):
    """The root of the engine's own errors."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule of a request: the field, the rule, and the remedy."""

    field: str
    rule: str
    message: str


class OrderDenied(OrderEngineError):
    """The client must change the request; nothing was stored."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.message)
        self.violation = violation


class NotionalExceeded(OrderDenied):
    """The order exceeds the highest allowed value; nothing was stored."""


class DailyLimitReached(OrderEngineError):
    """The client's orders of this day would exceed their limit; nothing was stored."""


class MarketNotOpen(OrderDenied):
    """The instrument does not trade yet; nothing was stored."""


class StopWouldTrigger(OrderDenied):
    """The price of a stop is reached already; nothing was stored."""


class IdempotencyKeyReused(OrderEngineError):
    """The client used this key for another request; nothing was stored."""


class IdempotencyConflict(OrderEngineError):
    """Another request is storing this key; a repeated request soon gets its answer."""


class ClientOrderIdTaken(OrderEngineError):
    """The client has another order with this clientOrderId; nothing was stored."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"order {order_id} already has this clientOrderId")
        self.order_id = order_id


class TransientFault(OrderEngineError):
    """A retry of the same request may work: a time-out, a lost connection."""


class VenueUnavailable(TransientFault):
    """A venue gave no answer in time, or a useless one."""


class NetworkUnavailable(TransientFault):
    """The settlement network gave no answer; the request may or may not have had an effect."""


class HistoryMissing(NetworkUnavailable):
    """The network cannot tell what became of a transaction: it does not keep the time in question.

    It may have executed, so its order stays as it is.
    """


class AttemptFailed(OrderEngineError):
    """The attempt is over; a new one with fresh quotes may succeed."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class OrderUnfillable(AttemptFailed):
    """Trying again cannot fill this order here; if no venue is left, it fails at once."""


class StorageCause(StrEnum):
    """Why PostgreSQL executed no statement, for logs and metrics."""

    NO_ANSWER = "no_answer"
    STARTING = "starting"
    READ_ONLY = "read_only"
    DISK_FULL = "disk_full"
    OUT_OF_MEMORY = "out_of_memory"
    NO_CONNECTION_LEFT = "no_connection_left"
    POOL_IN_USE = "pool_in_use"
    NO_ACCESS = "no_access"
    TLS = "tls"
    NO_RIGHTS = "no_rights"
    MIGRATIONS = "migrations"


@dataclass(frozen=True, slots=True)
class StorageFault:
    """Why no order can be written; `detail` is for whoever repairs it."""

    cause: StorageCause
    detail: str


class StorageUnavailable(OrderEngineError):
    """PostgreSQL did not run the statement, or did not say whether it ran.

    The caller must read, not guess, whether a statement took effect.
    """

    cause: StorageCause = StorageCause.NO_ANSWER


class OrderUnreadable(StorageUnavailable):
    """Another release wrote this order in a form that this one cannot read."""


class DispatchUnavailable(OrderEngineError):
    """The broker accepted no message; recovery restores the order from its row later.

    `cause` is the reason, in one word.
    """

    def __init__(self, message: str, cause: str = "no_answer") -> None:
        super().__init__(message)
        self.cause = cause


class QueuesTooLong(DispatchUnavailable):
    """The queues hold more messages than can be read in time."""
