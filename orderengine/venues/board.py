"""Asks all venues at the same time, without waiting for those that hang."""

import threading
import time
from collections.abc import Sequence
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
from orderengine.execution.ports import Quoted, Venue

log = structlog.get_logger(__name__)


class ConcurrentQuoteBoard:
    """Implements `execution.ports.QuoteBoard` with threads.

    `timeout_s` bounds each venue's answer. At most `max_workers` questions to a venue run at
    once; as many again may queue within their timeout. Each venue has threads of its own, so that
    one that hangs blocks no other.
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

    def collect_all(self, wanted: Sequence[tuple[Instrument, Side]]) -> list[Quoted]:
        """The answers for many instruments and sides, each as `collect` gives it."""
        deadline = time.monotonic() + self._timeout_s
        asked = [
            [threads.ask(*each, deadline) for threads in self._venue_threads] for each in wanted
        ]
        return [self._quoted(answers, deadline) for answers in asked]

    def _quoted(self, asked: "Sequence[Future[Offer]]", deadline: float) -> Quoted:
        offers: list[Offer] = []
        errors: dict[str, Exception] = {}
        for threads, answer in zip(self._venue_threads, asked, strict=True):
            result = _result(threads.venue.name, answer, deadline)
            if isinstance(result, Exception):
                errors[threads.venue.name] = result
            else:
                offers.append(result)
        return offers, errors

    def close(self) -> None:
        """Let running requests end, and cancel those that still wait."""
        for threads in self._venue_threads:
            threads.close()


class _VenueThreads:
    """The threads that ask one venue, and a bounded queue for them."""

    def __init__(self, venue: Venue, max_workers: int) -> None:
        self.venue = venue
        self._threads = ThreadPoolExecutor(max_workers, thread_name_prefix=f"quote-{venue.name}")
        self._queue_slots = threading.BoundedSemaphore(2 * max_workers)

    def ask(self, instrument: Instrument, side: Side, deadline: float) -> "Future[Offer]":
        if not self._queue_slots.acquire(blocking=False):
            refused: Future[Offer] = Future()
            message = f"{self.venue.name} still owes too many answers"
            refused.set_exception(VenueUnavailable(message))
            return refused
        return self._threads.submit(self._ask, instrument, side, deadline)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, instrument: Instrument, side: Side, deadline: float) -> Offer:
        try:
            # The caller of a request that waited too long behind a hung venue has given up.
            if time.monotonic() >= deadline:
                raise TimeoutError
            return self.venue.offer(instrument, side)
        finally:
            self._queue_slots.release()


def _result(name: str, answer: "Future[Offer]", deadline: float) -> Offer | Exception:
    try:
        return answer.result(timeout=max(0.0, deadline - time.monotonic()))
    except (TransientFault, OrderUnfillable) as error:
        return error
    except StorageUnavailable:
        raise
    except TimeoutError:
        return VenueUnavailable(f"{name} gave no answer in time")
    except Exception as error:
        log.exception("venue_failed", venue=name)
        fault = VenueUnavailable(f"{name} failed: {type(error).__name__}")
        fault.__cause__ = error
        return fault
