"""Answers a question for many instruments and sides one after the other."""

from collections.abc import Callable, Sequence

from orderengine.domain.instruments import Instrument
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.ports import Wanted


def each_apart(
    offer: Callable[[Instrument, Side], Offer], wanted: Sequence[Wanted]
) -> list[Offer | Exception]:
    """The offer of each, or the error that it has instead, which stops no other one."""
    answers: list[Offer | Exception] = []
    for instrument, side in wanted:
        try:
            answers.append(offer(instrument, side))
        except Exception as error:  # noqa: BLE001 - the caller tells it or raises it
            answers.append(error)
    return answers
