"""The halt of all trading: during a halt no waiting order starts and no attempt is signed.

Cancels, expiry and the confirmation of what was sent before go on.
"""

from datetime import datetime
from typing import Protocol


class Halts(Protocol):
    """The halt of all trading; every method raises StorageUnavailable."""

    def halt(self) -> datetime:
        """Begin a halt, if there is none; returns when it began."""

    def resume(self) -> bool:
        """End the halt; False if there was none."""

    def since(self) -> datetime | None:
        """When the halt began; None if there is none."""

    def is_halted(self) -> bool:
        """Whether trading is halted, as this process knew at most a second ago."""


class NeverHalted:
    """Implements `Halts` where trading is never halted."""

    def halt(self) -> datetime:
        """Raises NotImplementedError."""
        raise NotImplementedError

    def resume(self) -> bool:
        """There is nothing to resume."""
        return False

    def since(self) -> datetime | None:
        """There is never a halt."""
        return None

    def is_halted(self) -> bool:
        """There is never a halt."""
        return False
