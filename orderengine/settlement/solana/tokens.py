"""The tokens and pools of the instruments, by their addresses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from solders.pubkey import Pubkey

from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.side import Asset


@dataclass(frozen=True, slots=True)
class Tokens:
    """The mints by symbol, and the venue and instrument of each pool.

    `usdc_mint` raises NetworkUnavailable until the cluster is known.
    """

    usdc_mint: Callable[[], Pubkey]
    mints: Mapping[str, Pubkey]
    pools: Mapping[str, tuple[str, Instrument]]
    _names: Mapping[Pubkey, str] = field(repr=False)

    @classmethod
    def of(cls, instruments: Instruments, usdc_mint: Callable[[], Pubkey]) -> Self:
        """The tokens of an instrument file; an instrument without a mint is not traded.

        USDC's mint is that of the cluster, and so not known before a node has answered.
        """
        listed = [each for each in instruments if each.mint]
        mints = {each.symbol: Pubkey.from_string(each.mint or "") for each in listed}
        pools = {address: (venue, each) for each in listed for venue, address in each.pools.items()}
        names = {mint: symbol for symbol, mint in mints.items()}
        return cls(usdc_mint, mints, pools, names)

    def mint_of(self, symbol: str, asset: Asset) -> Pubkey | None:
        """The mint of USDC, or of an instrument's base asset; None if it has none."""
        return self.usdc_mint() if asset is Asset.QUOTE else self.mints.get(symbol)

    def name_of(self, mint: Pubkey) -> str:
        """The symbol of a mint of the instruments; any other one is USDC's."""
        return self._names.get(mint, "USDC")
