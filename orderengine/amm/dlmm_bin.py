"""Meteora DLMM: one bin's part of a swap."""

from dataclasses import dataclass, replace

from orderengine.amm.direction import Direction
from orderengine.amm.dlmm_fee import fee_on_top, fee_within
from orderengine.amm.dlmm_price import BASIS_POINTS, cost, proceeds
from orderengine.amm.errors import InsufficientLiquidity
from orderengine.amm.integers import U64_MAX, ceil_div

ORDER_FEE_SHARE_BPS = 5_000
"""The share of its fee that a limit order keeps."""


@dataclass(frozen=True, slots=True)
class BinTerms:
    """The terms on which one bin trades during one swap.

    `price` is Q64.64, `reserve_out` the base units that the bin can pay, `fee_rate` per 1e9; the
    fee is taken from the input when `fee_on_input`, else from the output. `orders` are the parts of
    `reserve_out` that limit orders sell, after the liquidity: those being filled, then the others.
    """

    direction: Direction
    price: int
    reserve_out: int
    fee_rate: int
    protocol_share_bps: int
    fee_on_input: bool
    orders: tuple[int, int] = (0, 0)

    @property
    def layers(self) -> tuple[int, int, int]:
        """The parts of `reserve_out` in the order in which they are sold: liquidity, orders."""
        return self.reserve_out - sum(self.orders), *self.orders


@dataclass(frozen=True, slots=True)
class BinFill:
    """A bin's part of a swap, in base units.

    `net_in` entered the bin and `gross_out` left it; the trader gave `amount_in` and got
    `amount_out`. The fees are in the input token when the fee is on the input, else in the output
    token. An exact output may take more out of the bin than the trader and the fees get.
    """

    amount_in: int
    amount_out: int
    net_in: int
    gross_out: int
    lp_fee: int
    protocol_fee: int


def fill_exact_in(terms: BinTerms, amount: int) -> BinFill:
    """Offers a bin the rest of an input; the bin takes at most the worth of its reserve.

    `amount` is in base units, at least 0. Source: MeteoraAg/dlmm-sdk `swapExactInQuoteAtBin`.
    """
    fee = fee_within(amount, terms.fee_rate) if terms.fee_on_input else 0
    net_in = amount - fee
    most = whole_cost(terms)
    if net_in < most:
        gross_out = _proceeds(terms, net_in)
        return _settle(terms, amount, net_in, gross_out)
    if net_in > most:
        fee = fee_on_top(most, terms.fee_rate) if terms.fee_on_input else 0
        return _settle(terms, most + fee, most, terms.reserve_out)
    # At exact equality the first fee applies, so that the whole amount is used.
    return _settle(terms, amount, most, terms.reserve_out)


def fill_exact_out(terms: BinTerms, amount: int) -> BinFill:
    """Asks a bin for the rest of an output; the bin pays at most its reserve.

    `amount` is in base units, at least 0. Raises InsufficientLiquidity if limit orders are a part
    of the output, and cannot pay out exactly so much.
    Source: MeteoraAg/dlmm-sdk `swapExactOutQuoteAtBin`.
    """
    gross_out = amount if terms.fee_on_input else amount + fee_on_top(amount, terms.fee_rate)
    if gross_out >= terms.reserve_out:
        return fill_exact_in(terms, U64_MAX)
    offer = cost(gross_out, terms.price, terms.direction)
    if terms.fee_on_input:
        offer += fee_on_top(offer, terms.fee_rate)
    fill = fill_exact_in(terms, offer)
    if fill.amount_out < amount:
        # Rounded up once, the offer pays for less than that, as each part is rounded by itself. The
        # program then fails with 6085 (`UndeterminedError`); its SDK quotes such a swap.
        raise InsufficientLiquidity("its limit orders do not pay out exactly this amount")
    # One unit of X can be worth many of Y, so the offer may buy more than was asked for. All that
    # it buys leaves the bin. With a fee on the output, the surplus becomes part of the fee. A fee
    # on the input is in the other token, so nobody gets the surplus. The program's SDK differs.
    surplus = fill.amount_out - amount
    taken = 0 if terms.fee_on_input else surplus
    return replace(fill, amount_out=amount, protocol_fee=fill.protocol_fee + taken)


def whole_cost(terms: BinTerms) -> int:
    """The input that uses up a bin, without fees, in base units; each part of it is rounded up.

    Source: MeteoraAg/dlmm-sdk `get_exact_in_fill_amount_result`.
    """
    return sum(cost(layer, terms.price, terms.direction) for layer in terms.layers)


def _proceeds(terms: BinTerms, net_in: int) -> int:
    """The output for an input that does not use up the bin; the last part is rounded down.

    Source: MeteoraAg/dlmm-sdk `get_exact_in_fill_amount_result`.
    """
    if terms.orders == (0, 0):
        return proceeds(net_in, terms.price, terms.direction)
    total = 0
    for layer in terms.layers:
        most = cost(layer, terms.price, terms.direction)
        if net_in < most:
            return total + proceeds(net_in, terms.price, terms.direction)
        total += layer
        net_in -= most
    return total


def _settle(terms: BinTerms, amount_in: int, net_in: int, gross_out: int) -> BinFill:
    if terms.fee_on_input:
        fee, amount_out = amount_in - net_in, gross_out
    else:
        fee = fee_within(gross_out, terms.fee_rate)
        amount_out = gross_out - fee
    # An input that is all fee is not split here: `dlmm._unsplit_fee` gives it to the protocol.
    charged = fee if net_in else 0
    protocol_fee = _protocol_part(terms, charged, net_in)
    return BinFill(
        amount_in=amount_in,
        amount_out=amount_out,
        net_in=net_in,
        gross_out=gross_out,
        lp_fee=charged - protocol_fee,
        protocol_fee=protocol_fee,
    )


def _protocol_part(terms: BinTerms, fee: int, net_in: int) -> int:
    """The protocol's part of a fee; of what limit orders earned it takes a half.

    Source: MeteoraAg/dlmm-sdk `split_fee`.
    """
    if terms.orders == (0, 0) or fee == 0:
        return fee * terms.protocol_share_bps // BASIS_POINTS
    liquidity, _, _ = terms.layers
    by_liquidity = min(net_in, cost(liquidity, terms.price, terms.direction))
    own = ceil_div(fee * by_liquidity, net_in)
    of_orders = fee - own
    kept = of_orders * ORDER_FEE_SHARE_BPS // BASIS_POINTS
    return of_orders - kept + own * terms.protocol_share_bps // BASIS_POINTS
