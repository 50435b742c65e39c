"""The chain as one URL of the node sees it, with the faults of that URL."""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from orderengine.localnet.errors import invalid_params, node_behind, slot_not_reached
from orderengine.localnet.node import CONFIRMED_BEHIND, FINALIZED_BEHIND, LocalNode
from orderengine.localnet.store import Block

BEHIND = {"processed": 0, "confirmed": CONFIRMED_BEHIND, "finalized": FINALIZED_BEHIND}
MOST_LAG = 200
"""Blocks by which a view may be behind: as far back as accounts are known."""


@dataclass
class View:
    """What one URL answers, with its faults.

    `lag_blocks` lets it answer as of so many blocks ago, `first_slot` knows no landing and no block
    before, without `keeps_history` it knows no transactions at all, until `refuses_until` (of
    `time.monotonic`) it answers 429, sends and answers are lost at their rates (0 to 1), and
    answers come `latency_s` later. `requests` counts those that were carried out, by method.
    """

    node: LocalNode
    lag_blocks: int = 0
    first_slot: int = 0
    keeps_history: bool = True
    refuses_until: float = 0.0
    send_loss_rate: float = 0.0
    answer_loss_rate: float = 0.0
    latency_s: float = 0.0
    draws: random.Random = field(default_factory=random.Random)
    requests: Counter[str] = field(default_factory=Counter)

    def block(self, commitment: str) -> Block:
        """The newest block at a commitment."""
        behind = BEHIND.get(commitment)
        if behind is None:
            raise invalid_params(f"unknown commitment {commitment!r}")
        blocks = self.node.blocks
        tip = blocks[-1].height
        height = min(tip, self.node.best_height - behind) - self.lag_blocks
        return blocks[max(0, len(blocks) - 1 - (tip - height))]

    def block_for(self, config: dict[str, Any], default: str = "finalized") -> Block:
        """The block that a request asks for by `commitment`; raises if it is too old for it."""
        block = self.block(config.get("commitment") or default)
        least = config.get("minContextSlot")
        if least is not None and block.slot < least:
            raise slot_not_reached(block.slot)
        return block

    def confirmed_block_for(self, config: dict[str, Any]) -> Block:
        """As `block_for`, for methods that know whole blocks only."""
        if config.get("commitment") == "processed":
            raise invalid_params("Method does not support commitment below `confirmed`")
        return self.block_for(config)

    def require_health(self) -> None:
        """Raises if this view is behind."""
        if self.lag_blocks:
            raise node_behind(self.lag_blocks)

    def oldest_slot(self) -> int:
        """The slot of the oldest block that it can show."""
        return max(self.first_slot, self.node.store.first_slot())

    def outcome(self, signature: str, block: Block) -> tuple[int, str] | None:
        """The slot and failure of a signature up to a block, if this view knows it."""
        found = self.node.store.outcome(signature)
        if found is None or not self.first_slot <= found[0] <= block.slot:
            return None
        return found

    def commitment_of(self, slot: int) -> str:
        """The highest commitment that a slot has."""
        for commitment in ("finalized", "confirmed"):
            if slot <= self.block(commitment).slot:
                return commitment
        return "processed"

    def refuses(self) -> bool:
        """Whether it answers 429 now."""
        return time.monotonic() < self.refuses_until

    def loses(self, rate: float) -> bool:
        """Draw whether one message is lost."""
        return self.draws.random() < rate


def context(block: Block, value: Any) -> dict[str, Any]:
    """An answer with the slot that it is of."""
    return {"context": {"apiVersion": "3.0.0", "slot": block.slot}, "value": value}
