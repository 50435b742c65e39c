"""Refusals of accounts and pools; the message of each names the account and the reason."""

from datetime import datetime


class AccountRefused(ValueError):
    """An account does not exist, is another program's, is malformed, or must not be traded."""


class PoolRefused(AccountRefused):
    """A pool trades in a way that cannot be priced, or another pair than it should."""


class PoolPaused(PoolRefused):
    """The pool's program makes no swaps in this pool now."""


class PoolNotOpen(PoolRefused):
    """The pool makes no swaps before `opens_at`, by the chain's clock."""

    def __init__(self, message: str, opens_at: datetime) -> None:
        super().__init__(message)
        self.opens_at = opens_at
