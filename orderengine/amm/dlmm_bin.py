"""Meteora DLMM: one bin's part of a swap."""

from dataclasses import dataclass, replace

from orderengine.amm.direction import Direction
from orderengine.amm.dlmm_fee import fee_on_top, fee_within
from orderengine.amm.dlmm_price import BASIS_POINTS, cost, proceeds
from orderengine.amm.integers import U64_MAX


@dataclass(frozen=True, slots=True)
class BinTerms:
    """The terms on which one bin trades during one swap.

    `price` is Q64.64, `reserve_out` the base units that the bin can pay, `fee_rate` per 1e9; the
    fee is taken from the input when `fee_on_input`, else from the output.
    """

    direction: Direction
    price: int
    reserve_out: int
    fee_rate: int
    protocol_share_bps: int
    fee_on_input: bool


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
    most = cost(terms.reserve_out, terms.price, terms.direction)
    if net_in < most:
        gross_out = proceeds(net_in, terms.price, terms.direction)
        return _settle(terms, amount, net_in, gross_out)
    if net_in > most:
        fee = fee_on_top(most, terms.fee_rate) if terms.fee_on_input else 0
        return _settle(terms, most + fee, most, terms.reserve_out)
    # At exact equality the first fee applies, so that the whole amount is used.
    return _settle(terms, amount, most, terms.reserve_out)


def fill_exact_out(terms: BinTerms, amount: int) -> BinFill:
    """Asks a bin for the rest of an output; the bin pays at most its reserve.

    `amount` is in base units, at least 0. Source: MeteoraAg/dlmm-sdk `swapExactOutQuoteAtBin`.
    """
    gross_out = amount if terms.fee_on_input else amount + fee_on_top(amount, terms.fee_rate)
    if gross_out >= terms.reserve_out:
        return fill_exact_in(terms, U64_MAX)
    offer = cost(gross_out, terms.price, terms.direction)
    if terms.fee_on_input:
        offer += fee_on_top(offer, terms.fee_rate)
    fill = fill_exact_in(terms, offer)
    # One unit of X can be worth many of Y, so the offer may buy more than was asked for. All that
    # it buys leaves the bin. With a fee on the output, the surplus becomes part of the fee. A fee
    # on the input is in the other token, so nobody gets the surplus. The program's SDK differs.
    surplus = fill.amount_out - amount
    taken = 0 if terms.fee_on_input else surplus
    return replace(fill, amount_out=amount, protocol_fee=fill.protocol_fee + taken)


def _settle(terms: BinTerms, amount_in: int, net_in: int, gross_out: int) -> BinFill:
    if terms.fee_on_input:
        fee, amount_out = amount_in - net_in, gross_out
    else:
        fee = fee_within(gross_out, terms.fee_rate)
        amount_out = gross_out - fee
    # An input that is all fee is not split here: `dlmm._unsplit_fee` gives it to the protocol.
    charged = fee if net_in else 0
    protocol_fee = charged * terms.protocol_share_bps // BASIS_POINTS
    return BinFill(
        amount_in=amount_in,
        amount_out=amount_out,
        net_in=net_in,
        gross_out=gross_out,
        lp_fee=charged - protocol_fee,
        protocol_fee=protocol_fee,
    )
