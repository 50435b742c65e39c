"""A bank in memory with the real programs, one trader, and a clock that the run moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from solders.account import Account as BankAccount
from solders.compute_budget import set_compute_unit_limit
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata
from solders.transaction_status import InstructionErrorCustom, TransactionErrorInstructionError

from generators.layouts import HELD_TOKENS, MINT, TOKEN, encode
from orderengine.solana.accounts import Account, decode_token_account
from orderengine.solana.pools.pool import Accounts

START_S: Final = 1_900_000_000
SLOT_S: Final = 0.4
LAMPORTS: Final = 10**15
_UNITS = 1_400_000


@dataclass(frozen=True, slots=True)
class Failed:
    """A transaction that failed: its program's code, if it is one, and the end of the log."""

    code: int | None
    error: str
    log: tuple[str, ...]


class Chain:
    """Accounts, programs and one trader; amounts are base units."""

    def __init__(self, programs: Mapping[Pubkey, Path]) -> None:
        self._bank = LiteSVM()
        for address, path in programs.items():
            self._bank.add_program(address, path.read_bytes())
        self._wallet = Keypair.from_seed(bytes(range(32)))
        self.user = self._wallet.pubkey()
        self.put(self.user, Pubkey.default(), b"")
        self._passed_s = 0
        self.pass_time(0)

    def now(self) -> datetime:
        """The chain's time."""
        return datetime.fromtimestamp(START_S + self._passed_s, UTC)

    @property
    def now_s(self) -> int:
        """The chain's time in seconds since 1970."""
        return START_S + self._passed_s

    def pass_time(self, seconds: int) -> None:
        """Move the clock forward, by its slots too."""
        self._passed_s += seconds
        clock = self._bank.get_clock()
        clock.unix_timestamp = self.now_s
        clock.slot = 1_000 + int(self._passed_s / SLOT_S)
        self._bank.set_clock(clock)

    def put(self, address: Pubkey, owner: Pubkey, data: bytes) -> None:
        """Write an account."""
        self._bank.set_account(address, BankAccount(LAMPORTS, data, owner))

    def put_mint(self, address: Pubkey, decimals: int, program: Pubkey = TOKEN) -> None:
        """Write a mint without extensions."""
        self.put(address, program, encode(MINT, {"decimals": decimals, "is_initialized": 1}))

    def put_tokens(
        self, address: Pubkey, mint: Pubkey, owner: Pubkey, amount: int, program: Pubkey = TOKEN
    ) -> None:
        """Write a token account."""
        values = {"mint": mint, "owner": owner, "amount": amount, "state": 1}
        self.put(address, program, encode(HELD_TOKENS, values))

    def amount(self, address: Pubkey) -> int:
        """What a token account holds."""
        _, accounts = self.read([address])
        return decode_token_account(accounts[address], str(address)).amount

    def read(self, addresses: Sequence[Pubkey]) -> tuple[int, Accounts]:
        """Accounts at this moment, with the slot."""
        found: dict[Pubkey, Account | None] = {}
        for address in addresses:
            account = self._bank.get_account(address)
            found[address] = (
                None
                if account is None
                else Account(account.owner, bytes(account.data), account.lamports)
            )
        return self._bank.get_clock().slot, found

    def run(self, instructions: Sequence[Instruction]) -> Failed | None:
        """Execute one transaction; None if it did not fail."""
        self._bank.expire_blockhash()
        message = MessageV0.try_compile(
            self.user,
            [set_compute_unit_limit(_UNITS), *instructions],
            [],
            self._bank.latest_blockhash(),
        )
        result = self._bank.send_transaction(VersionedTransaction(message, [self._wallet]))
        if not isinstance(result, FailedTransactionMetadata):
            return None
        error = result.err()
        inner = error.err if isinstance(error, TransactionErrorInstructionError) else None
        code = inner.code if isinstance(inner, InstructionErrorCustom) else None
        return Failed(code, str(error), tuple(result.meta().logs()[-2:]))
