"""A node with one leader: it takes transactions, makes blocks, and keeps the chain.

Time is the caller's: `tick` makes blocks, and `runner.py` calls it every 400 ms. Sources of the
rules: anza-xyz/agave `runtime/src/bank.rs` (the window of 150 blocks, one landing a signature).
"""

import hashlib
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from solders.account import Account
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from orderengine.localnet.bank import Bank, Execution
from orderengine.localnet.meta import memo_of, meta_of, mints_in
from orderengine.localnet.store import Block, Landing, Store

WINDOW = 150
"""A transaction lands at most so many blocks after the one whose hash it names."""
CONFIRMED_BEHIND, FINALIZED_BEHIND = 1, 32
BLOCKS_IN_MEMORY = 400
"""Blocks whose hashes and earlier accounts are at hand: more than window, lag and finality."""
_FIRST_SLOT = 1_000
"""Slots are ahead of heights, as on a real network, so that nobody takes one for the other."""
_FAUCET_LAMPORTS = 10**18


@dataclass
class _Waiting:
    transaction: VersionedTransaction
    from_height: int


@dataclass
class Traffic:
    """What happens to transactions before they reach a block; changed by the faults.

    `landing_blocks` is how many blocks a transaction takes, at least 1; while `held`, none lands.
    """

    landing_blocks: int = 1
    held: bool = False
    dropped: deque[str] = field(default_factory=lambda: deque(maxlen=10_000))


class LocalNode:
    """The chain of a folder, or of memory alone. Every method may be called from any thread."""

    def __init__(self, folder: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self.lock = threading.RLock()
        self.traffic = Traffic()
        self._clock = clock
        self.store = Store(folder)
        self.is_new = self.store.fact("genesis") is None
        if self.is_new:
            self.store.set_fact("genesis", str(Hash(secrets.token_bytes(32))))
        self.genesis = self.store.fact("genesis") or ""
        self.bank = Bank(self.store)
        self.blocks = self.store.last_blocks(BLOCKS_IN_MEMORY)
        self._heights = {block.hash: block.height for block in self.blocks}
        self._waiting: list[_Waiting] = []
        self.faucet = Keypair.from_seed(hashlib.sha256(f"faucet {self.genesis}".encode()).digest())
        # The height that the chain once reached: a fork takes back a block, never a commitment.
        self.best_height = int(self.store.fact("best height") or 0)
        if not self.bank.exists(self.faucet.pubkey()):
            native = Pubkey.default()
            self.bank.put(self.faucet.pubkey(), Account(_FAUCET_LAMPORTS, b"", native))
        if self.blocks:
            self.best_height = max(self.best_height, self.blocks[-1].height)
            self.bank.begin(self.blocks[-1].slot, self._now())
        # Every commitment has a block from the beginning.
        self.tick(max(0, FINALIZED_BEHIND + 1 - len(self.blocks)))

    def close(self) -> None:
        """Close the store; the node must not be used any more."""
        with self.lock:
            self.store.close()

    def tick(self, blocks: int = 1) -> None:
        """Make so many blocks of the transactions that wait."""
        with self.lock:
            for _ in range(blocks):
                self._make_block()

    def receive(self, transaction: VersionedTransaction) -> None:
        """Let a transaction wait for a block; one that cannot land is dropped there in silence."""
        if not all(transaction.verify_with_results()):
            self.traffic.dropped.append(str(transaction.signatures[0]))
            return
        with self.lock:
            height = self.blocks[-1].height + self.traffic.landing_blocks
            self._waiting.append(_Waiting(transaction, height))

    def height_of(self, blockhash: Hash) -> int | None:
        """The height of the block with this hash, if it is one of the last ones."""
        return self._heights.get(str(blockhash))

    def is_fresh(self, blockhash: Hash, height: int) -> bool:
        """Whether a transaction that names this hash can be part of a block at a height."""
        made = self.height_of(blockhash)
        return made is not None and height - made <= WINDOW

    def fork_away(self) -> bool:
        """Take back the last block; its slot stays empty. False if it is confirmed.

        Its transactions are lost, unless they are sent again.
        """
        with self.lock:
            if self.blocks[-1].height <= self.best_height - CONFIRMED_BEHIND:
                return False
            block = self.blocks.pop()
            del self._heights[block.hash]
            with self.store.whole():
                self.bank.undo(block.slot)
                self.store.fork_away(block.slot)
                self.store.set_fact("skipped", str(block.slot))
                self.store.set_fact("best height", str(self.best_height))
            return True

    def _make_block(self) -> None:
        slot, height = self._next_slot(), self.blocks[-1].height + 1 if self.blocks else 0
        now = self._now()
        before = dict(self.bank.begin(slot, now))
        with self.store.whole():
            for transaction in self._due(height):
                self._land(transaction, slot, height, before)
            oldest = self.blocks[-BLOCKS_IN_MEMORY].slot if self._is_full() else 0
            self.bank.keep(slot, before, oldest=oldest)
            text = f"{self.genesis} {slot} {secrets.token_hex(8)}"
            made = str(Hash(hashlib.sha256(text.encode()).digest()))
            block = Block(slot, height, made, now)
            self.store.add_block(block)
        self.blocks.append(block)
        self._heights[block.hash] = height
        self.best_height = max(self.best_height, height)
        while len(self.blocks) > BLOCKS_IN_MEMORY:
            del self._heights[self.blocks.pop(0).hash]

    def _is_full(self) -> bool:
        return len(self.blocks) >= BLOCKS_IN_MEMORY

    def _next_slot(self) -> int:
        last = self.blocks[-1].slot if self.blocks else _FIRST_SLOT
        return max(last, int(self.store.fact("skipped") or 0)) + 1

    def _now(self) -> int:
        return int(self._clock())

    def _due(self, height: int) -> list[VersionedTransaction]:
        if self.traffic.held:
            return []
        due = [each.transaction for each in self._waiting if each.from_height <= height]
        self._waiting = [each for each in self._waiting if each.from_height > height]
        return due

    def _land(
        self,
        transaction: VersionedTransaction,
        slot: int,
        height: int,
        before: dict[Pubkey, Account | None],
    ) -> None:
        signature = str(transaction.signatures[0])
        is_lost = (
            not self.is_fresh(transaction.message.recent_blockhash, height)
            or self.store.outcome(signature) is not None
        )
        execution = None if is_lost else self.bank.execute(transaction)
        if execution is None or not execution.lands:
            self.traffic.dropped.append(signature)
            return
        for key, account in execution.before.items():
            before.setdefault(key, account)
        self.store.add_landing(self._landing(signature, slot, transaction, execution))

    def _landing(
        self, signature: str, slot: int, transaction: VersionedTransaction, execution: Execution
    ) -> Landing:
        mints = {mint: self.bank.account(mint, slot) for mint in mints_in(execution)}
        return Landing(
            signature=signature,
            slot=slot,
            failure=json.dumps(execution.failure),
            memo=memo_of(transaction),
            content=bytes(transaction),
            meta=json.dumps(meta_of(execution, mints)),
        )
