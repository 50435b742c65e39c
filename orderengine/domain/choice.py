"""Chooses a route, and gives the reason."""

from collections.abc import Mapping, Sequence

from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.route_texts import advantage, percent, too_shallow
from orderengine.domain.routing import (
    EXACT_AMOUNT,
    OTHER_AMOUNT,
    Offer,
    Quote,
    Route,
    RouteReason,
    RouteRequest,
    better,
    sorted_by_price,
)
from orderengine.domain.side import Asset
from orderengine.domain.splitting import best_split


def choose_route(
    request: RouteRequest, offers: Sequence[Offer], refusals: Mapping[str, str]
) -> Route:
    """Choose what is best for the client: the lowest cost, or the highest proceeds.

    Costs include fees and impact, in at most `max_legs` swaps. A split must be better than the best
    venue alone. The first of equal choices wins. Raises OrderUnfillable if the amount is too large
    or too small for all, ValueError without any offer.
    """
    if not offers:
        raise ValueError("there is nothing to choose from")
    if request.exact is Asset.QUOTE:
        offers = [offer.in_usdc() for offer in offers]
    quotes, refused = _quotes(request, offers)
    legs = best_split(request, offers)
    ranked = sorted_by_price(request, quotes)
    if ranked and not (legs and _improves(request, legs, ranked[0])):
        reason, detail = _why_alone(request, ranked, len(offers))
        chosen: tuple[Quote, ...] = (ranked[0],)
    elif legs:
        reason, detail = _why_split(request, legs, ranked)
        chosen = legs
    else:
        raise _refusal(request, offers, refused)
    all_refusals = {**refusals, **{venue: str(error) for venue, error in refused.items()}}
    return Route(
        reason=reason, detail=detail, legs=chosen, quotes=tuple(quotes), refusals=all_refusals
    )


def _quotes(
    request: RouteRequest, offers: Sequence[Offer]
) -> tuple[list[Quote], dict[str, OrderUnfillable]]:
    quotes: list[Quote] = []
    refused: dict[str, OrderUnfillable] = {}
    for offer in offers:
        try:
            quotes.append(offer.quote(request.amount, request.slippage_tolerance_bps))
        except OrderUnfillable as error:
            refused[offer.venue] = error
    return quotes, refused


def _improves(request: RouteRequest, legs: Sequence[Quote], best: Quote) -> bool:
    other = OTHER_AMOUNT[request.exact]
    return better(request.exact_side, sum(map(other, legs)), other(best))


def _refusal(
    request: RouteRequest, offers: Sequence[Offer], refused: Mapping[str, OrderUnfillable]
) -> OrderUnfillable:
    for offer in offers:
        if request.amount <= offer.largest(request.slippage_tolerance_bps):
            return refused[offer.venue]  # not too large, so its refusal names the real reason
    return too_shallow(request, offers)


def _why_alone(
    request: RouteRequest, ranked: Sequence[Quote], offered: int
) -> tuple[RouteReason, str]:
    best, *others = ranked
    if not others:
        return RouteReason.ONLY_QUOTE, f"only {best.venue} quotes the whole amount"
    other = OTHER_AMOUNT[request.exact]
    ahead = advantage(request, other(best), other(others[0]))
    detail = f"{best.venue} {ahead} {others[0].venue}"
    if request.max_legs > 1 and offered > 1:
        return RouteReason.NO_BETTER_SPLIT, f"{detail}, and no split improves on it"
    return RouteReason.BEST_PRICE, detail


def _why_split(
    request: RouteRequest, legs: Sequence[Quote], ranked: Sequence[Quote]
) -> tuple[RouteReason, str]:
    exact, other = EXACT_AMOUNT[request.exact], OTHER_AMOUNT[request.exact]
    shares = ", ".join(f"{percent(exact(leg), request.amount)} at {leg.venue}" for leg in legs)
    if not ranked:
        return RouteReason.ONLY_SPLIT, f"no venue alone can fill it; split: {shares}"
    ahead = advantage(request, sum(map(other, legs)), other(ranked[0]))
    return RouteReason.BEST_SPLIT, f"split ({shares}) {ahead} {ranked[0].venue} alone"
