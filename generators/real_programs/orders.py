"""Seeded orders: quoted by the venues' code, executed by the programs, and compared."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from solders.pubkey import Pubkey

from generators.layouts import TOKEN
from generators.real_programs.chain import Chain, Failed
from generators.real_programs.desk import Desk, Written
from generators.real_programs.pools import WRITERS
from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.instruments import Instrument, TokenProgram
from orderengine.domain.routing import Quote
from orderengine.domain.side import Asset, Side, side_of
from orderengine.market.bin_liquidity import DlmmLiquidity
from orderengine.solana.pools.pool import Pool, SwapTerms
from orderengine.solana.reader import PoolReader
from orderengine.venues.live import LiveVenue, tradable
from orderengine.venues.offers import PoolOffer

ORDERS_PER_POOL = 25
STRICT_SHARE = 0.15
_VENUE = "real"
_FUNDS = 2**64 - 1

_EXACT_IN = {"cpmm": 6005, "amm_v4": 30, "dlmm": 6003}
_EXACT_OUT = {"cpmm": 6005, "amm_v4": 30}
_DLMM_NOTHING_OUT, _DLMM_LAST_BIN, _DLMM_EARLIER_BIN, _DLMM_NO_INPUT = 6039, 6104, 6057, 6002


@dataclass
class Figures:
    """What was seen of one program."""

    executed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Order:
    side: Side
    exact: Asset
    amount: int
    is_strict: bool


class Trader:
    """Trades in one pool after the other, each order against the state that the last one left."""

    def __init__(self, chain: Chain, program: str, address: Pubkey, seed: int) -> None:
        self._chain = chain
        self._program = program
        self._rng = random.Random(f"{seed} {program}")  # noqa: S311 - seeded on purpose
        self.usdc = Pubkey.from_bytes(self._rng.randbytes(32))
        chain.put_mint(self.usdc, 6)
        self._desk = Desk(chain, address, self.usdc, self._rng)
        self._usdc_account = self._desk.key()
        self.figures = Figures()

    def trade(self, orders: int) -> Figures:
        """Make so many orders; each is executed, or refused by the program or by the venue."""
        for number in range(orders):
            if number % ORDERS_PER_POOL == 0:
                self._open(WRITERS[self._program](self._desk))
            self._chain.pass_time(self._rng.choice([0, 0, 1, 5, 20, 60, 700]))
            self._make_order()
        return self.figures

    def _open(self, written: Written) -> None:
        self._written = written
        self._base_account = self._desk.key()
        self._instrument = Instrument(
            symbol="REAL",
            name="A token of a real program",
            decimals=written.decimals,
            quantity_step=Decimal(1),
            min_quantity=Decimal(1),
            max_quantity=Decimal(1),
            reference_price=Decimal(1),
            depth=Decimal(1),
            mint=str(written.base),
            token_program=(
                TokenProgram.TOKEN if written.token == TOKEN else TokenProgram.TOKEN_2022
            ),
            pools={_VENUE: str(written.address)},
        )
        self._reader = PoolReader(self._chain.read, lambda: self.usdc, self._chain, kept_s=-1)
        self._venue = LiveVenue(_VENUE, self._reader)

    def _make_order(self) -> None:
        rng, side, exact = self._rng, self._rng.choice(list(Side)), self._rng.choice(list(Asset))
        offer = self._venue.offer(self._instrument, side)
        if exact is Asset.QUOTE:
            offer = offer.in_usdc()
        amount = max(1, int(offer.largest(0) ** rng.uniform(0, 1)))
        order = _Order(side, exact, amount, rng.random() < STRICT_SHARE)
        try:
            quote = offer.quote(amount, 0 if order.is_strict else rng.choice([0, 50, 500]))
        except OrderUnfillable as refusal:
            self._refuse(order, offer, refusal)
            return
        self._execute(order, offer, quote)

    def _refuse(self, order: _Order, offer: PoolOffer, refusal: OrderUnfillable) -> None:
        """The venue refuses; for a swap that gets nothing, the program must do so too."""
        self.figures.refused[refusal.detail.partition(": ")[2]] += 1
        is_input = side_of(order.exact, order.side) is Side.SELL
        if self._program != "dlmm" or not is_input or ": worth" not in refusal.detail:
            return
        self._fund(order.side)
        failed = self._send(order, limit=0)
        self._expect(failed, _DLMM_NOTHING_OUT, order, offer)

    def _execute(self, order: _Order, offer: PoolOffer, quote: Quote) -> None:
        pays = side_of(order.exact, order.side) is Side.BUY
        other = quote.quote_amount if order.exact is Asset.BASE else quote.base_amount
        if order.is_strict:
            limit = (
                other - self._rng.choice([1, 1, max(1, other // 2), other]) if pays else other + 1
            )
            code = self._code(order, offer, limit) if pays else _EXACT_IN[self._program]
            self._fund(order.side)
            self._expect(self._send(order, limit), code, order, offer)
            return
        self._fund(order.side)
        before = self._balances()
        failed = self._send(order, quote.limit_amount)
        base, usdc, pool_base, pool_usdc = (
            abs(now - was) for now, was in zip(self._balances(), before, strict=True)
        )
        told = (quote.base_amount, quote.quote_amount)
        if failed is not None or (base, usdc) != told or (pool_base, pool_usdc) != told:
            seen = failed or (base, usdc, pool_base, pool_usdc)
            self.figures.faults.append(f"{self._written.address} {order}: {told} told, {seen} seen")
            return
        self.figures.executed += 1
        self.figures.kinds[f"{order.side.value} {'exact out' if pays else 'exact in'}"] += 1

    def _code(self, order: _Order, offer: PoolOffer, limit: int) -> int:
        liquidity = offer.liquidity
        if not isinstance(liquidity, DlmmLiquidity):
            return _EXACT_OUT[self._program]
        if limit == 0:
            return _DLMM_NO_INPUT
        is_last = limit >= liquidity.used_up_cost(order.amount)
        return _DLMM_LAST_BIN if is_last else _DLMM_EARLIER_BIN

    def _expect(self, failed: Failed | None, code: int, order: _Order, offer: PoolOffer) -> None:
        if failed is not None and failed.code == code:
            self.figures.codes[code] += 1
            return
        self.figures.faults.append(
            f"{self._written.address} {order} at {offer.seen_at}: {failed}, not {code}"
        )

    def _pool(self) -> Pool:
        return tradable(self._instrument, self._reader.read(self._instrument).pools[_VENUE])

    def _fund(self, side: Side) -> None:
        """All that an account can hold of what is paid, and nothing of what is got."""
        user = self._chain.user
        base, usdc = (_FUNDS, 0) if side is Side.SELL else (0, _FUNDS)
        written = self._written
        self._chain.put_tokens(self._base_account, written.base, user, base, written.token)
        self._chain.put_tokens(self._usdc_account, self.usdc, user, usdc)

    def _send(self, order: _Order, limit: int) -> Failed | None:
        base, usdc = self._base_account, self._usdc_account
        accounts = (base, usdc) if order.side is Side.SELL else (usdc, base)
        terms = SwapTerms(self._chain.user, *accounts, order.side, order.exact, order.amount, limit)
        return self._chain.run(self._pool().swap_instructions(terms))

    def _balances(self) -> Sequence[int]:
        """The trader's two accounts, and the pool's two vaults: base first."""
        pool = self._pool()
        listed = self._base_account, self._usdc_account, pool.base.vault, pool.usdc.vault
        return [self._chain.amount(each) for each in listed]
