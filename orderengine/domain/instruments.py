"""Tradable instruments: symbol to token, decimals, step, limits and depth."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from orderengine.domain.addresses import is_address
from orderengine.domain.errors import FailureReason, OrderUnfillable, Violation
from orderengine.domain.fields import Seen, Told

SYMBOL = "[!-~]{1,64}"
"""The form of every symbol, as a regular expression: visible ASCII characters."""

POOL_COLUMNS = ("raydium", "meteora")
"""The columns with addresses of pools: the names of the venues that can trade on a live network."""


class TokenProgram(StrEnum):
    """The program that a token of a live network belongs to."""

    TOKEN = "token"  # noqa: S105 - a program's name
    TOKEN_2022 = "token-2022"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Instrument:
    """A base asset quoted in USDC.

    Quantities are whole tokens, a multiple of `quantity_step` within the two limits;
    `reference_price` (USDC) and `depth` (USDC on each side of a pool) shape the simulated market.
    `former_decimals` are the previous release's decimals, if different. The pools of a `launched`
    instrument open anew from time to time, and do not trade before.

    On a live network, `mint` is the address of the token, and `pools` has the address of each
    venue's pool; a venue without one does not trade the instrument.
    """

    symbol: str
    name: str
    decimals: Annotated[int, Told("The token's decimals: a token has 10^decimals base units.")]
    quantity_step: Annotated[Decimal, Told("A quantity must be a multiple of this step.")]
    min_quantity: Annotated[Decimal, Told("The smallest quantity.")]
    max_quantity: Annotated[Decimal, Told("The largest quantity.")]
    reference_price: Annotated[Decimal, Told(seen=Seen.ENGINE)]
    depth: Annotated[Decimal, Told(seen=Seen.ENGINE)]
    former_decimals: Annotated[int | None, Told(seen=Seen.ENGINE)] = None
    launched: Annotated[
        bool, Told("Whether its pools open anew from time to time, and do not trade before.")
    ] = False
    mint: Annotated[str | None, Told("The address of its token, on a live network; in base58.")] = (
        None
    )
    token_program: Annotated[TokenProgram, Told(seen=Seen.ENGINE)] = TokenProgram.TOKEN
    pools: Annotated[Mapping[str, str], Told(seen=Seen.ENGINE)] = field(
        default_factory=dict, hash=False
    )

    @property
    def unstated_decimals(self) -> int:
        """The decimals of a signed amount without decimals, as earlier releases signed it."""
        return self.decimals if self.former_decimals is None else self.former_decimals

    def violation(self, quantity: Decimal) -> Violation | None:
        """The first rule that the quantity breaks, or None."""
        if quantity < self.min_quantity:
            limit = f"must be at least {self.min_quantity:f} for {self.symbol}"
            return Violation("quantity", "min", limit)
        if quantity > self.max_quantity:
            limit = f"must be at most {self.max_quantity:f} for {self.symbol}"
            return Violation("quantity", "max", limit)
        if quantity % self.quantity_step:
            step = f"must be a multiple of {self.quantity_step:f} for {self.symbol}"
            return Violation("quantity", "step", step)
        return None

    def base_units(self, quantity: Decimal) -> int:
        """Convert whole tokens to base units; raises ValueError if the result is not exact."""
        units = quantity.scaleb(self.decimals)
        if units != int(units):
            message = f"{quantity} {self.symbol} is finer than {self.decimals} decimals"
            raise ValueError(message)
        return int(units)


class Instruments:
    """The instruments by symbol, in the order of the file."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_symbol = {instrument.symbol: instrument for instrument in instruments}
        names = [folded(symbol) for symbol in self._by_symbol]
        self._by_folded = {
            name: instrument
            for name, instrument in zip(names, self._by_symbol.values(), strict=True)
            if names.count(name) == 1
        }

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_symbol.values())

    def find(self, symbol: str) -> Instrument | None:
        """The instrument with exactly this symbol, or None."""
        return self._by_symbol.get(symbol)

    def match(self, symbol: str) -> Instrument | None:
        """The instrument with this symbol, ignoring ASCII case, or None.

        Symbols that differ in case only must be written exactly.
        """
        return self._by_symbol.get(symbol) or self._by_folded.get(folded(symbol))

    def get(self, symbol: str) -> Instrument:
        """The instrument of a stored order; raises OrderUnfillable if it is no longer traded."""
        instrument = self._by_symbol.get(symbol)
        if instrument is None:
            raise OrderUnfillable(FailureReason.UNKNOWN_SYMBOL, f"{symbol} is not traded here")
        return instrument


def folded(symbol: str) -> str:
    """The symbol in lower case, for comparisons that ignore ASCII case."""
    # ASCII only: elsewhere the Kelvin sign would become a k, and the long s an s.
    return symbol.lower() if symbol.isascii() else symbol


def parse_instruments(text: str) -> Instruments:
    """Read instruments from CSV with a header line; raises ValueError that names the bad line."""
    parsed: list[Instrument] = []
    for number, row in enumerate(csv.DictReader(text.splitlines(), strict=True), start=2):
        try:
            parsed.append(_parse_row(row))
        except (ArithmeticError, KeyError, TypeError, ValueError) as error:
            message = f"instruments, line {number}: {error!r}"
            raise ValueError(message) from error
    symbols = [instrument.symbol for instrument in parsed]
    if len(set(symbols)) != len(symbols):
        raise ValueError("instruments: a symbol is listed twice")
    pools = [address for instrument in parsed for address in instrument.pools.values()]
    if len(set(pools)) != len(pools):
        raise ValueError("instruments: a pool is listed twice")
    return Instruments(parsed)


def _parse_row(row: dict[str, str]) -> Instrument:
    instrument = Instrument(
        symbol=row["symbol"],
        name=row["name"],
        decimals=int(row["decimals"]),
        quantity_step=Decimal(row["quantity_step"]),
        min_quantity=Decimal(row["min_quantity"]),
        max_quantity=Decimal(row["max_quantity"]),
        reference_price=Decimal(row["reference_price"]),
        depth=Decimal(row["depth"]),
        former_decimals=int(row["former_decimals"]) if row.get("former_decimals") else None,
        launched=_is_launched(row.get("launched") or ""),
        mint=_address(row, "mint"),
        token_program=TokenProgram(row.get("token_program") or TokenProgram.TOKEN),
        pools={name: found for name in POOL_COLUMNS if (found := _address(row, name))},
    )
    if not re.fullmatch(SYMBOL, instrument.symbol):
        raise ValueError("symbol must be 1 to 64 visible ASCII characters")
    positive = (instrument.quantity_step, instrument.reference_price, instrument.depth)
    if not all(value.is_finite() for value in (*positive, instrument.max_quantity)):
        raise ValueError("step, price, depth and max_quantity must be finite")
    if min(positive) <= 0:
        raise ValueError("step, price and depth must be positive")
    if not 0 < instrument.min_quantity <= instrument.max_quantity:
        raise ValueError("limits must be 0 < min_quantity <= max_quantity")
    for decimals in (instrument.decimals, instrument.unstated_decimals):
        if not 0 <= decimals <= 12:
            raise ValueError("decimals must be 0 to 12")
    instrument.base_units(instrument.quantity_step)
    if instrument.mint is None and (instrument.pools or row.get("token_program")):
        raise ValueError("a token program and pools need a mint")
    return instrument


def _address(row: dict[str, str], column: str) -> str | None:
    text = row.get(column) or ""
    if text and not is_address(text):
        raise ValueError(f"{column} must be an address: 32 bytes in base58")
    return text or None


def _is_launched(text: str) -> bool:
    if text not in {"", "yes"}:
        raise ValueError("launched must be yes or empty")
    return text == "yes"
