"""The block that swaps are signed for, asked for once for all that are signed within a second."""

import time
from collections.abc import Callable
from threading import Lock

from orderengine.solana import requests
from orderengine.solana.requests import Block
from orderengine.solana.rpc import Node

BLOCK_KEPT_S = 1.0
"""How long a block is signed for; it only shortens the time in which a swap may land."""


class RecentBlocks:
    """A block to sign for, from the node that simulates: another one may not know it yet."""

    def __init__(
        self, kept_s: float = BLOCK_KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._kept_s = kept_s
        self._lock = Lock()
        self._known: tuple[Node, float, Block] | None = None

    def block(self, node: Node, came: float) -> Block:
        """A block that was the latest at most `kept_s` seconds before `came`, of `clock`.

        Those that ask during a request wait for it, and share its answer.
        """
        with self._lock:
            known = self._known
            if known is not None and known[0] is node and known[1] >= came - self._kept_s:
                return known[2]
            began = self.clock()
            block = requests.latest_block(node)
            self._known = node, began, block
            return block

    def forget(self) -> None:
        """Ask again next time."""
        with self._lock:
            self._known = None
