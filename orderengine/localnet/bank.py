"""The accounts and the programs: LiteSVM, with the accounts as of each of the last blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from solders.account import Account
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from orderengine.localnet.failures import Failure, failure_of
from orderengine.localnet.store import Store
from orderengine.solana.accounts import CLOCK
from orderengine.solana.pools.localnet import PROGRAM_ID

_PROGRAM = Path(__file__).parent / "program" / "pool.so"
_NOTHING = Account(0, b"", Pubkey.default())

State = Mapping[Pubkey, Account | None]


@dataclass(frozen=True)
class Execution:
    """A transaction that ran: its accounts before and after, and how it ended.

    `lands` is False where a leader would have dropped it without a fee.
    """

    failure: Failure | None
    meta: TransactionMetadata
    before: State
    after: State

    @property
    def lands(self) -> bool:
        """Whether it is part of a block: it succeeded, or its fee was taken."""
        payer = next(iter(self.before))
        return self.failure is None or _lamports(self.before[payer]) != _lamports(self.after[payer])


class Bank:
    """The accounts at the tip, and as they were after each of the last blocks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._svm = LiteSVM()
        # Heights, window and duplicates are the node's: LiteSVM knows one valid blockhash, and
        # its memory of signatures would not outlive the process.
        self._svm.with_blockhash_check(False)  # noqa: FBT003
        self._svm.with_transaction_history(0)
        self._svm.with_sigverify(False)  # noqa: FBT003
        self._svm.add_program(PROGRAM_ID, _PROGRAM.read_bytes())
        for key, account in store.accounts():
            self._svm.set_account(Pubkey.from_bytes(key), Account.from_bytes(account))
        # For each account the blocks that changed it, oldest first, with its state before each.
        self._before: dict[Pubkey, list[tuple[int, Account | None]]] = {}
        for slot, key, bytes_before in store.changes():
            account_before = None if bytes_before is None else Account.from_bytes(bytes_before)
            self._before.setdefault(Pubkey.from_bytes(key), []).append((slot, account_before))

    def begin(self, slot: int, time: int) -> State:
        """Let the programs see the slot and time of a new block; returns what that changed."""
        before = {CLOCK: self._svm.get_account(CLOCK)}
        self._svm.warp_to_slot(slot)
        clock = self._svm.get_clock()
        clock.unix_timestamp = time
        self._svm.set_clock(clock)
        return before

    def rent(self, size: int) -> int:
        """The lamports that an account of so many bytes must hold."""
        return self._svm.minimum_balance_for_rent_exemption(size)

    def put(self, key: Pubkey, account: Account) -> None:
        """Set an account outside any block; every commitment shows it at once."""
        self._set(key, account)
        self._store.set_account(bytes(key), bytes(account))

    def exists(self, key: Pubkey) -> bool:
        """Whether there is such an account at the tip."""
        return self._svm.get_account(key) is not None

    def balance(self, key: Pubkey) -> int:
        """The lamports of an account at the tip."""
        return self._svm.get_balance(key) or 0

    def account(self, key: Pubkey, slot: int) -> Account | None:
        """An account as it was after the block of a slot; the slot is one of the last blocks'."""
        for changed, before in self._before.get(key, ()):
            if changed > slot:
                return before
        return self._svm.get_account(key)

    def owned_by(self, program: Pubkey) -> list[tuple[Pubkey, Account]]:
        """Every account of a program at the tip."""
        return self._svm.get_program_accounts(program)

    def execute(self, transaction: VersionedTransaction) -> Execution:
        """Run a transaction on the tip, and keep what it changes."""
        keys = transaction.message.account_keys
        before = {key: self._svm.get_account(key) for key in keys}
        result = self._svm.send_transaction(transaction)
        after = {key: self._svm.get_account(key) for key in keys}
        if isinstance(result, FailedTransactionMetadata):
            return Execution(failure_of(result.err()), result.meta(), before, after)
        return Execution(None, result, before, after)

    def simulate(self, transaction: VersionedTransaction, slot: int) -> Execution:
        """Run a transaction on the accounts as they were after a block, and keep nothing."""
        keys = transaction.message.account_keys
        tip = {key: self._svm.get_account(key) for key in keys}
        before = {key: self.account(key, slot) for key in keys}
        other = [key for key in keys if before[key] != tip[key]]
        for key in other:
            self._set(key, before[key])
        try:
            result = self._svm.simulate_transaction(transaction)
        finally:
            for key in other:
                self._set(key, tip[key])
        if isinstance(result, FailedTransactionMetadata):
            return Execution(failure_of(result.err()), result.meta(), before, before)
        after = {**before, **dict(result.post_accounts())}
        return Execution(None, result.meta(), before, after)

    def keep(self, slot: int, before: State, *, oldest: int) -> None:
        """Store what a block changed, and forget how the accounts were before the `oldest`."""
        changed = {
            key: account for key, account in before.items() if account != self._svm.get_account(key)
        }
        for key, account in changed.items():
            found = self._before.setdefault(key, [])
            found.append((slot, account))
            while found[0][0] < oldest:
                del found[0]
            now = self._svm.get_account(key)
            self._store.set_account(bytes(key), None if now is None else bytes(now))
        kept = {bytes(key): None if old is None else bytes(old) for key, old in changed.items()}
        self._store.add_changes(slot, kept)
        self._store.drop_changes(below=oldest)

    def undo(self, slot: int) -> None:
        """Take back what the block of a slot changed; it is the last one."""
        for key, changes in list(self._before.items()):
            if changes and changes[-1][0] == slot:
                _, account = changes.pop()
                self._set(key, account)
                self._store.set_account(bytes(key), None if account is None else bytes(account))

    def _set(self, key: Pubkey, account: Account | None) -> None:
        self._svm.set_account(key, account or _NOTHING)


def _lamports(account: Account | None) -> int:
    return 0 if account is None else account.lamports
