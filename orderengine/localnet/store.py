"""What a node keeps over restarts: accounts, blocks and landings, in one SQLite file.

Each block is one transaction, so that a kill at any moment leaves whole blocks. The file survives
the end of the process; a loss of power may cost the last blocks.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCKS_KEPT = 500_000
"""Two days of blocks of 400 ms, as long as a node with the usual limit keeps its ledger."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (key BLOB PRIMARY KEY, account BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    slot INTEGER, key BLOB, before BLOB, PRIMARY KEY (slot, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    slot INTEGER PRIMARY KEY, height INTEGER NOT NULL, hash TEXT NOT NULL, time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS landings (
    signature TEXT PRIMARY KEY, slot INTEGER NOT NULL, failure TEXT NOT NULL, memo TEXT,
    content BLOB NOT NULL, meta TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS landings_by_slot ON landings (slot);
CREATE TABLE IF NOT EXISTS forked (signature TEXT NOT NULL, slot INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A block; `time` is in seconds since 1970. Slots may be missing, heights are not."""

    slot: int
    height: int
    hash: str
    time: int


@dataclass(frozen=True, slots=True)
class Landing:
    """A transaction in a block: `failure` and `meta` are JSON, `content` is its bytes."""

    signature: str
    slot: int
    failure: str
    memo: str | None
    content: bytes
    meta: str


class Store:
    """The tables; every call must hold the node's lock."""

    def __init__(self, folder: Path | None) -> None:
        path = ":memory:" if folder is None else str(folder / "localnet.sqlite3")
        # The node's lock allows one thread at a time, which need not be the one that opened it.
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """One transaction: all of the block's statements, or none."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def fact(self, name: str) -> str | None:
        """A stored fact, or None."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def accounts(self) -> list[tuple[bytes, bytes]]:
        """Every stored account at the tip: its key and its bytes."""
        return self._db.execute("SELECT key, account FROM accounts").fetchall()

    def set_account(self, key: bytes, account: bytes | None) -> None:
        """Store an account at the tip, or remove it."""
        if account is None:
            self._db.execute("DELETE FROM accounts WHERE key = ?", (key,))
        else:
            self._db.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?)", (key, account))

    def changes(self) -> list[tuple[int, bytes, bytes | None]]:
        """The accounts before the blocks that changed them, by slot: slot, key, bytes."""
        return self._db.execute("SELECT slot, key, before FROM changes ORDER BY slot").fetchall()

    def add_changes(self, slot: int, before: Mapping[bytes, bytes | None]) -> None:
        """Store the accounts that a block changed, as they were before it."""
        rows = [(slot, key, account) for key, account in before.items()]
        self._db.executemany("INSERT INTO changes VALUES (?, ?, ?)", rows)

    def drop_changes(self, *, below: int) -> None:
        """Forget the changes of blocks before a slot."""
        self._db.execute("DELETE FROM changes WHERE slot < ?", (below,))

    def add_block(self, block: Block) -> None:
        """Store a block, and forget the one that is BLOCKS_KEPT older."""
        row = (block.slot, block.height, block.hash, block.time)
        self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", row)
        self._db.execute("DELETE FROM blocks WHERE height = ?", (block.height - BLOCKS_KEPT,))

    def last_blocks(self, count: int) -> list[Block]:
        """The newest blocks, oldest first."""
        query = "SELECT slot, height, hash, time FROM blocks ORDER BY slot DESC LIMIT ?"
        return [Block(*row) for row in self._db.execute(query, (count,))][::-1]

    def blocks_between(self, first: int, last: int, limit: int) -> list[Block]:
        """The blocks from one slot to another, both included, oldest first."""
        query = (
            "SELECT slot, height, hash, time FROM blocks WHERE slot BETWEEN ? AND ?"
            " ORDER BY slot LIMIT ?"
        )
        return [Block(*row) for row in self._db.execute(query, (first, last, limit))]

    def block(self, slot: int) -> Block | None:
        """The block of a slot, or None."""
        found = self.blocks_between(slot, slot, 1)
        return found[0] if found else None

    def first_slot(self) -> int:
        """The slot of the oldest block."""
        return int(self._db.execute("SELECT min(slot) FROM blocks").fetchone()[0])

    def add_landing(self, landing: Landing) -> None:
        """Store a transaction of the present block."""
        self._db.execute(
            "INSERT INTO landings VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(landing.signature, landing.slot, landing.failure),
                *(landing.memo, landing.content, landing.meta),
            ),
        )

    def landing(self, signature: str) -> Landing | None:
        """The landing of a signature, or None."""
        query = "SELECT * FROM landings WHERE signature = ?"
        row = self._db.execute(query, (signature,)).fetchone()
        return None if row is None else Landing(*row)

    def outcome(self, signature: str) -> tuple[int, str] | None:
        """The slot and the failure (JSON) of a signature, or None."""
        query = "SELECT slot, failure FROM landings WHERE signature = ?"
        row = self._db.execute(query, (signature,)).fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def landings_down(self, *, first: int, last: int) -> Iterator[Landing]:
        """The landings of these slots, newest first."""
        query = "SELECT * FROM landings WHERE slot BETWEEN ? AND ? ORDER BY slot DESC, rowid DESC"
        return (Landing(*row) for row in self._db.execute(query, (first, last)))

    def forked(self) -> list[tuple[str, int]]:
        """The transactions whose block was forked away: signature and slot."""
        return self._db.execute("SELECT signature, slot FROM forked ORDER BY rowid").fetchall()

    def fork_away(self, slot: int) -> None:
        """Remove a block with its changes and its landings, which stay known as forked."""
        query = "INSERT INTO forked SELECT signature, slot FROM landings WHERE slot = ?"
        self._db.execute(query, (slot,))
        self._db.execute("DELETE FROM landings WHERE slot = ?", (slot,))
        self._db.execute("DELETE FROM changes WHERE slot = ?", (slot,))
        self._db.execute("DELETE FROM blocks WHERE slot = ?", (slot,))
