"""Asks all venues at the same time, without waiting for those that hang."""

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from orderengine.domain.errors import (
    OrderUnfillable,
    StorageUnavailable,
    TransientFault,
    VenueUnavailable,
)
from orderengine.domain.instruments import Instrument
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.ports import Quoted, Venue, Wanted

log = structlog.get_logger(__name__)


class ConcurrentQuoteBoard:
    """Implements `execution.ports.QuoteBoard` with threads.

    `timeout_s` bounds each venue's answer. At most `max_workers` questions to a venue run at
    once; as many again may queue within their timeout. Each venue has threads of its own, so that
    one that hangs blocks no other. One question asks a venue for all that is wanted: each hand-over
    to another thread costs more than the answer. Only a venue that reads each symbol by itself gets
    a question for each symbol.
    """

    def __init__(
        self, venues: Sequence[Venue], *, timeout_s: float = 1.0, max_workers: int = 10
    ) -> None:
        self._venue_threads = [_VenueThreads(venue, max_workers) for venue in venues]
        self._timeout_s = timeout_s

    def collect(self, instrument: Instrument, side: Side) -> Quoted:
        """The offers, in the order of the venues, and each other venue's error.

        Raises StorageUnavailable if PostgreSQL returns no time, which is not a venue's fault.
        """
        (quoted,) = self.collect_all([(instrument, side)])
        return quoted

    def collect_all(self, wanted: Sequence[Wanted]) -> list[Quoted]:
        """The answers for many instruments and sides, each as `collect` gives it."""
        if not wanted:
            return []
        deadline = time.monotonic() + self._timeout_s
        asked = [each.ask(wanted, deadline) for each in self._venue_threads]
        answers = {
            each.venue.name: each.answers(questions, len(wanted), deadline)
            for each, questions in zip(self._venue_threads, asked, strict=True)
        }
        return [_quoted(answers, place) for place in range(len(wanted))]

    def close(self) -> None:
        """Let running requests end, and cancel those that still wait."""
        for threads in self._venue_threads:
            threads.close()


Answer = Offer | Exception
Question = tuple[Sequence[int], "Future[list[Answer]]"]
"""A question to a venue: the places of what it asks for among all that is wanted."""


class _VenueThreads:
    """The threads that ask one venue, and a bounded queue for them."""

    def __init__(self, venue: Venue, max_workers: int) -> None:
        self.venue = venue
        self._threads = ThreadPoolExecutor(max_workers, thread_name_prefix=f"quote-{venue.name}")
        self._queue_slots = threading.BoundedSemaphore(2 * max_workers)

    def ask(self, wanted: Sequence[Wanted], deadline: float) -> list[Question]:
        return [
            (places, self._submit([wanted[place] for place in places], deadline))
            for places in self._parts(wanted)
        ]

    def answers(
        self, questions: Iterable[Question], count: int, deadline: float
    ) -> Sequence[Answer]:
        found: dict[int, Answer] = {}
        for places, asked in questions:
            found.update(zip(places, self._result(asked, len(places), deadline), strict=True))
        return [self._told(found[place]) for place in range(count)]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _parts(self, wanted: Sequence[Wanted]) -> Iterable[Sequence[int]]:
        if not self.venue.reads_by_symbol:
            return [range(len(wanted))]
        by_symbol: dict[str, list[int]] = {}
        for place, (instrument, _) in enumerate(wanted):
            by_symbol.setdefault(instrument.symbol, []).append(place)
        return by_symbol.values()

    def _submit(self, wanted: Sequence[Wanted], deadline: float) -> "Future[list[Answer]]":
        if not self._queue_slots.acquire(blocking=False):
            refused: Future[list[Answer]] = Future()
            message = f"{self.venue.name} still owes too many answers"
            refused.set_exception(VenueUnavailable(message))
            return refused
        return self._threads.submit(self._ask, wanted, deadline)

    def _ask(self, wanted: Sequence[Wanted], deadline: float) -> list[Answer]:
        try:
            # The caller of a request that waited too long behind a hung venue has given up.
            if time.monotonic() >= deadline:
                raise TimeoutError
            return self.venue.offers(wanted)
        finally:
            self._queue_slots.release()

    def _result(
        self, asked: "Future[list[Answer]]", count: int, deadline: float
    ) -> Sequence[Answer]:
        """The answers to one question; an error of the whole question is that of each."""
        try:
            return asked.result(timeout=max(0.0, deadline - time.monotonic()))
        except Exception as error:  # noqa: BLE001 - told like those of one answer
            return [error] * count

    def _told(self, answer: Answer) -> Answer:
        """The answer as callers know it; raises StorageUnavailable."""
        name = self.venue.name
        match answer:
            case StorageUnavailable():
                raise answer
            case TransientFault() | OrderUnfillable():
                return answer
            case TimeoutError():
                return VenueUnavailable(f"{name} gave no answer in time")
            case Exception():
                log.error("venue_failed", venue=name, exc_info=answer)
                fault = VenueUnavailable(f"{name} failed: {type(answer).__name__}")
                fault.__cause__ = answer
                return fault
        return answer


def _quoted(answers: dict[str, Sequence[Answer]], place: int) -> Quoted:
    offers: list[Offer] = []
    errors: dict[str, Exception] = {}
    for name, of_venue in answers.items():
        answer = of_venue[place]
        if isinstance(answer, Exception):
            errors[name] = answer
        else:
            offers.append(answer)
    return offers, errors
