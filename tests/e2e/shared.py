"""The stacks that several modules share, because they need no settings of their own.

All modules of a stack run in one process of the tests, one after the other. A module leaves web and
worker running, with the settings of the stack. It finds the orders and keys of earlier modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Shared:
    """The settings of a stack, and the modules that use it."""

    settings: Mapping[str, str]
    modules: tuple[str, ...]


SHARED: Mapping[str, Shared] = {
    "without keys": Shared(
        # The market moves against each order, so that one without tolerance fails.
        {
            "SIM_QUOTE_LATENCY_MS": "20-30",
            "SIM_SETTLEMENT_MS": "200-300",
            "SIM_DRIFT_BPS": "20-20",
            "SIM_SPREAD_BPS": "0-0",
            "RATE_PER_ADDRESS": "0",
            "RECOVERY_AFTER_MS": "1500",
            "RECOVERY_INTERVAL_MS": "200",
        },
        (
            "test_batches",
            "test_cli",
            "test_failures",
            "test_first_client",
            "test_following",
            "test_operator_commands",
            "test_orders_that_wait",
            "test_readme",
            "test_splits",
        ),
    ),
    "with keys": Shared(
        {
            "AUTH": "required",
            "LOG_LEVEL": "DEBUG",
            "RATE_PER_ADDRESS": "0",
            "RATE_PER_KEY": "0",
            "RECOVERY_AFTER_MS": "1500",
            "RECOVERY_INTERVAL_MS": "200",
            "SIM_QUOTE_LATENCY_MS": "20-30",
            "SIM_SETTLEMENT_MS": "200-300",
        },
        ("test_client_socket", "test_keys", "test_walkthrough"),
    ),
}


def name_of_shared(path: str) -> str | None:
    """The name of the stack that the module of this file shares; None if it shares none."""
    folder, _, file = path.rpartition("/")
    name = file.removesuffix(".py")
    if not folder.endswith("tests/e2e"):
        return None
    return next((key for key, shared in SHARED.items() if name in shared.modules), None)
