"""Seeded orders on the localnet, quoted by the engine's own code: is what lands what was quoted?

`python -m tests.localnet_orders 1000` makes so many, one at a time, and prints the figures.
"""

import base64
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from orderengine.domain.choice import choose_route
from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.instruments import Instrument
from orderengine.domain.routing import Quote, RouteRequest
from orderengine.domain.side import Asset, Side
from orderengine.localnet.node import LocalNode
from orderengine.localnet.pools import PROGRAMS, USDC_MINT, fund, set_up
from orderengine.solana.accounts import TOKEN_PROGRAM, Account, associated_token_address
from orderengine.solana.pools.pool import Accounts, Pool, SwapTerms
from orderengine.solana.reader import PoolReader
from orderengine.solana.refusals import AccountRefused
from orderengine.venues.live import LiveVenue
from tests.fakes import START, FakeClock
from tests.localnet import Localnet, only

SYMBOLS = ("AAPL", "BTC", "JUP")
VENUES = ("raydium", "meteora")
FUNDS = 2**62


@dataclass
class Seen:
    """What came of the orders."""

    landed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class ExactRun:
    """Quotes an order, sends its swaps as one transaction, and compares what the vaults gained."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - seeded on purpose
        wallet = Keypair.from_seed(bytes(range(32)))
        node = LocalNode(None, START.timestamp)
        set_up(node, only(*SYMBOLS), wallet.pubkey())
        self.net = Localnet(node, wallet)
        self._reader = PoolReader(self._read, lambda: USDC_MINT, FakeClock(), kept_s=-1)
        self.seen = Seen()

    def close(self) -> None:
        self.net.node.close()

    def trade(self, orders: int) -> Seen:
        for _ in range(orders):
            self._trade_one()
        return self.seen

    def _trade_one(self) -> None:
        rng, instrument = self._rng, self.net.instrument(self._rng.choice(SYMBOLS))
        side, exact = rng.choice(list(Side)), rng.choice(list(Asset))
        offers = [LiveVenue(name, self._reader).offer(instrument, side) for name in VENUES]
        most = max((each.in_usdc() if exact is Asset.QUOTE else each).largest(0) for each in offers)
        amount = max(1, int(most ** rng.uniform(0, 1)))
        request = RouteRequest(instrument, side, amount, 50, rng.choice([1, 2]), exact)
        try:
            route = choose_route(request, offers, {})
        except OrderUnfillable as refusal:
            self.seen.refused[refusal.reason.value] += 1
            return
        self._compare(instrument, route.legs)

    def _compare(self, instrument: Instrument, legs: Sequence[Quote]) -> None:
        self._fund(instrument)
        pools = [self._pool(instrument, leg) for leg in legs]
        swaps = [
            instruction
            for leg, pool in zip(legs, pools, strict=True)
            for instruction in pool.swap_instructions(self._terms(instrument, leg))
        ]
        signature = self.net.send(self.net.signed(*swaps))
        self.net.node.tick(2)
        options = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
        told = self.net.ask("getTransaction", signature, options)
        kind = f"{legs[0].side.value} {'exact' if len(legs) == 1 else 'split, exact'}"
        kind += " base" if legs[0].exact is Asset.BASE else " USDC"
        if told is None or told["meta"]["err"] is not None:
            self.seen.faults.append(f"{kind}: {told and told['meta']['err']}")
            return
        moved = _moved(told)
        sign = 1 if legs[0].side is Side.BUY else -1
        for leg, pool in zip(legs, pools, strict=True):
            gained = -sign * moved[pool.base.vault], sign * moved[pool.usdc.vault]
            if gained != (leg.base_amount, leg.quote_amount):
                self.seen.faults.append(f"{kind}: {leg} landed as {gained}")
                return
        self.seen.landed[kind] += 1

    def _fund(self, instrument: Instrument) -> None:
        bank, user = self.net.node.bank, self.net.wallet.pubkey()
        program = PROGRAMS[instrument.token_program]
        fund(bank, user, Pubkey.from_string(instrument.mint or ""), FUNDS, program)
        fund(bank, user, USDC_MINT, FUNDS)

    def _terms(self, instrument: Instrument, leg: Quote) -> SwapTerms:
        user = self.net.wallet.pubkey()
        mint, program = Pubkey.from_string(instrument.mint or ""), instrument.token_program
        base = associated_token_address(user, mint, PROGRAMS[program])
        usdc = associated_token_address(user, USDC_MINT, TOKEN_PROGRAM)
        accounts = (usdc, base) if leg.side is Side.BUY else (base, usdc)
        amount = leg.base_amount if leg.exact is Asset.BASE else leg.quote_amount
        return SwapTerms(user, *accounts, leg.side, leg.exact, amount, leg.limit_amount)

    def _pool(self, instrument: Instrument, leg: Quote) -> Pool:
        pool = self._reader.read(instrument).pools[leg.venue]
        assert not isinstance(pool, AccountRefused)
        return pool

    def _read(self, addresses: Sequence[Pubkey]) -> tuple[int, Accounts]:
        options = {"encoding": "base64", "commitment": "confirmed"}
        answer = self.net.ask("getMultipleAccounts", [str(each) for each in addresses], options)
        found = [_account(each) for each in answer["value"]]
        return answer["context"]["slot"], dict(zip(addresses, found, strict=True))


def _account(told: Any) -> Account | None:
    if told is None:
        return None
    data = base64.b64decode(told["data"][0])
    return Account(Pubkey.from_string(told["owner"]), data, told["lamports"])


def _moved(told: Any) -> dict[Pubkey, int]:
    """What each token account gained."""
    keys = told["transaction"]["message"]["accountKeys"]
    moved: Counter[str] = Counter()
    for sign, name in ((-1, "preTokenBalances"), (1, "postTokenBalances")):
        for balance in told["meta"][name]:
            moved[keys[balance["accountIndex"]]] += sign * int(balance["uiTokenAmount"]["amount"])
    return {Pubkey.from_string(key): units for key, units in moved.items()}


def main() -> None:
    run = ExactRun(seed=1)
    seen = run.trade(int(sys.argv[1]))
    run.close()
    print(f"landed as quoted: {seen.landed.total()}")
    for kind, count in sorted(seen.landed.items()):
        print(f"  {kind}: {count}")
    print(f"not quoted: {dict(seen.refused)}")
    print(f"landed otherwise: {len(seen.faults)}", *seen.faults[:10], sep="\n  ")
    sys.exit(1 if seen.faults else 0)


if __name__ == "__main__":
    main()
