"""Splits an order over venues, exact in base units.

Every pool's price worsens with the size of a swap. So the total is best where one more unit costs,
or brings, the same at each venue. Bisection on the pools' marginal prices, which are not rounded to
units, finds that point; the resulting amounts are then quoted exactly. Amounts are those of the
exact asset.
"""

from collections.abc import Sequence
from itertools import combinations

from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.routing import OTHER_AMOUNT, Offer, Quote, RouteRequest, better
from orderengine.domain.side import Side

# Two offers need one round. With more offers, each round brings the pairs closer.
ROUNDS = 20


def best_split(request: RouteRequest, offers: Sequence[Offer]) -> tuple[Quote, ...]:
    """The best legs over two or more offers, in the offers' order; empty if there are none.

    The legs sum to the amount exactly. The caller compares the result with one venue alone.
    """
    legs: tuple[Quote, ...] = ()
    side, other = request.exact_side, OTHER_AMOUNT[request.exact]
    size = min(request.max_legs, len(offers))
    for chosen in combinations(offers, size) if size > 1 else ():
        amounts = _balanced(request, chosen)
        found = _quoted(request, chosen, amounts) or _with_a_larger_leg(request, chosen, amounts)
        if found and (not legs or better(side, sum(map(other, found)), sum(map(other, legs)))):
            legs = found
    return legs


def _quoted(
    request: RouteRequest, offers: Sequence[Offer], amounts: Sequence[int] | None
) -> tuple[Quote, ...]:
    if amounts is None or sum(amount > 0 for amount in amounts) < 2:
        return ()
    try:
        return tuple(
            offer.quote(amount, request.slippage_tolerance_bps)
            for offer, amount in zip(offers, amounts, strict=True)
            if amount > 0
        )
    except OrderUnfillable:
        return ()  # one leg is too small to be traded


def _with_a_larger_leg(
    request: RouteRequest, offers: Sequence[Offer], amounts: Sequence[int] | None
) -> tuple[Quote, ...]:
    """Quotes with more for the smallest leg, which is too small to be traded; empty if none fit.

    It matters if the other venues cannot trade the whole amount.
    """
    traded = [] if amounts is None else [i for i, amount in enumerate(amounts) if amount > 0]
    if amounts is None or len(traded) < 2:
        return ()
    smallest, largest = min(traded, key=amounts.__getitem__), max(traded, key=amounts.__getitem__)
    both = amounts[smallest] + amounts[largest]
    raised = list(amounts)
    found: tuple[Quote, ...] = ()
    while not found and raised[smallest] * 4 <= both:
        raised[smallest] *= 2
        raised[largest] = both - raised[smallest]
        found = _quoted(request, offers, raised)
    return found


def _balanced(request: RouteRequest, offers: Sequence[Offer]) -> list[int] | None:
    """The amounts at equal marginal prices; None if all offers together are too shallow."""
    amounts, left = [], request.amount
    most = [offer.largest(request.slippage_tolerance_bps) for offer in offers]
    for largest in most:
        amounts.append(min(left, largest))
        left -= amounts[-1]
    if left:
        return None
    side = request.exact_side
    for _ in range(1 if len(offers) == 2 else ROUNDS):
        before = list(amounts)
        for i, j in combinations(range(len(offers)), 2):
            both = amounts[i] + amounts[j]
            ends = max(0, both - most[j]), min(both, most[i])
            amounts[i] = _share_of_first(side, offers[i], offers[j], both, ends)
            amounts[j] = both - amounts[i]
        if amounts == before:
            break
    return amounts


def _share_of_first(
    side: Side, first: Offer, second: Offer, both: int, ends: tuple[int, int]
) -> int:
    """The smallest share at which one more unit is no better at the first than at the second.

    It is within `ends`, both included.
    """
    low, high = ends
    while low < high:
        middle = (low + high) // 2
        there = second.marginal_price(both - middle)
        if better(side, first.marginal_price(middle), there):
            low = middle + 1
        else:
            high = middle
    return low
