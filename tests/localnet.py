"""A localnet for tests: a node in memory, its wallet, and swaps without the engine."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from orderengine.domain.instruments import Instrument, Instruments, parse_instruments
from orderengine.domain.side import Asset, Side
from orderengine.localnet.methods.table import call
from orderengine.localnet.node import LocalNode
from orderengine.localnet.pools import PROGRAMS, USDC_MINT, listed, set_up
from orderengine.localnet.views import View
from orderengine.solana.accounts import Account, associated_token_address
from orderengine.solana.pools import localnet
from orderengine.solana.pools.pool import Pair, SwapTerms

LAMPORTS = 10**9
INSTRUMENTS = parse_instruments(
    (Path(__file__).parents[1] / "orderengine" / "instruments.csv").read_text("utf-8")
)


def only(*symbols: str) -> Instruments:
    """The shipped instruments with these symbols."""
    return Instruments(INSTRUMENTS.get(symbol) for symbol in symbols)


@dataclass
class Localnet:
    """A node with manual ticks, asked without HTTP."""

    node: LocalNode
    wallet: Keypair
    view: View = field(init=False)

    def __post_init__(self) -> None:
        self.view = View(self.node)

    def ask(self, method: str, *params: object) -> Any:
        """The result of a request; raises RpcRefusal."""
        return call(self.view, method, list(params), with_faults=True)

    def instrument(self, symbol: str) -> Instrument:
        """An instrument with the addresses of its mint and pools."""
        return listed(INSTRUMENTS.get(symbol))

    def pool(self, symbol: str, venue: str) -> localnet.LocalnetPool:
        """A pool as it is at the tip."""
        instrument = self.instrument(symbol)
        address = Pubkey.from_string(instrument.pools[venue])
        accounts = {address: self._account(address)}
        for wanted in localnet.wanted(address, accounts):
            accounts[wanted] = self._account(wanted)
        pair = Pair(Pubkey.from_string(instrument.mint or ""), USDC_MINT)
        return localnet.decode(address, pair, accounts)

    def swap(self, symbol: str, venue: str, side: Side, amount: int, limit: int) -> Instruction:
        """A swap of the wallet for an exact amount of the base asset."""
        instrument, pool = self.instrument(symbol), self.pool(symbol, venue)
        user = self.wallet.pubkey()
        usdc = associated_token_address(user, USDC_MINT, pool.usdc.program)
        base = associated_token_address(user, pool.base.mint, PROGRAMS[instrument.token_program])
        source, destination = (usdc, base) if side is Side.BUY else (base, usdc)
        terms = SwapTerms(user, source, destination, side, Asset.BASE, amount, limit)
        (instruction,) = pool.swap_instructions(terms)
        return instruction

    def signed(
        self, *instructions: Instruction, commitment: str = "confirmed"
    ) -> VersionedTransaction:
        """A transaction of the wallet with the newest hash at a commitment."""
        latest = self.ask("getLatestBlockhash", {"commitment": commitment})["value"]
        return signed(self.wallet, instructions, Hash.from_string(latest["blockhash"]))

    def send(self, transaction: VersionedTransaction, **config: object) -> str:
        """Send a transaction without preflight, unless it is asked for; its signature."""
        sent: str = self.ask(
            "sendTransaction",
            wire(transaction),
            {"encoding": "base64", "skipPreflight": True, **config},
        )
        return sent

    def simulate(self, transaction: VersionedTransaction, **config: object) -> dict[str, Any]:
        """What a simulation at `confirmed` answers."""
        asked = {"encoding": "base64", "commitment": "confirmed", **config}
        found: dict[str, Any] = self.ask("simulateTransaction", wire(transaction), asked)["value"]
        return found

    def gift(self, to: Pubkey, lamports: int = LAMPORTS) -> VersionedTransaction:
        """A transfer of the wallet, signed but not sent."""
        terms = TransferParams(from_pubkey=self.wallet.pubkey(), to_pubkey=to, lamports=lamports)
        return self.signed(transfer(terms))

    def balance(self, key: Pubkey, commitment: str) -> int:
        """The lamports of an account at a commitment."""
        found: int = self.ask("getBalance", str(key), {"commitment": commitment})["value"]
        return found

    def status(self, signature: str) -> dict[str, Any] | None:
        """The status of one signature, with a search of the history."""
        (found,) = self.ask(
            "getSignatureStatuses", [signature], {"searchTransactionHistory": True}
        )["value"]
        status: dict[str, Any] | None = found
        return status

    def _account(self, address: Pubkey) -> Account | None:
        found = self.node.bank.account(address, self.node.blocks[-1].slot)
        if found is None:
            return None
        return Account(found.owner, bytes(found.data), found.lamports)


def a_localnet(
    *symbols: str, folder: Path | None = None, wallet: Keypair | None = None
) -> Localnet:
    """A localnet that trades these instruments, AAPL if none is named."""
    node, wallet = LocalNode(folder), wallet or Keypair()
    set_up(node, only(*symbols or ("AAPL",)), wallet.pubkey())
    return Localnet(node, wallet)


def signed(
    wallet: Keypair, instructions: Sequence[Instruction], blockhash: Hash
) -> VersionedTransaction:
    """A v0 transaction that the wallet pays for and signs."""
    message = MessageV0.try_compile(wallet.pubkey(), list(instructions), [], blockhash)
    return VersionedTransaction(message, [wallet])


def wire(transaction: VersionedTransaction) -> str:
    """The bytes of a transaction as base64."""
    return base64.b64encode(bytes(transaction)).decode()
