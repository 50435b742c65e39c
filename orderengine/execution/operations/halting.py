"""The kill switch: while it is on, no waiting order starts and no attempt is signed.

Cancels, expiry and the confirmation of what was sent before go on.
"""

from datetime import datetime
from typing import Protocol


class Halts(Protocol):
    """The kill switch; every method raises StorageUnavailable."""

    def halt(self) -> datetime:
        """Turn it on; returns since when it is on, which an earlier call may have said."""

    def resume(self) -> bool:
        """Turn it off; False if it was not on."""

    def since(self) -> datetime | None:
        """Since when it is on; None if it is off."""

    def is_halted(self) -> bool:
        """Whether it is on, as far as this process knows; at most a second old."""


class NeverHalted:
    """Implements `Halts` without a switch."""

    def halt(self) -> datetime:
        """Raises NotImplementedError: there is no switch."""
        raise NotImplementedError

    def resume(self) -> bool:
        """There is nothing to resume."""
        return False

    def since(self) -> datetime | None:
        """It is never on."""
        return None

    def is_halted(self) -> bool:
        """It is never on."""
        return False
