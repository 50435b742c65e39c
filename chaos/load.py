"""The load: orders at a rate, and the client's answer to each."""

import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.client import ACCEPTED, BATCH_PATH, BODIES, HEADERS, PATH
from orderengine.local.ports import LOOPBACK

TIMEOUT_S = 15.0
RETRY_S = 0.5
CLIENTS = 48
UNAVAILABLE = 503

Result = tuple[int | None, str | None]


@dataclass(frozen=True, slots=True)
class Offers:
    """The orders that a load offers: `at_sending` makes the body of a request from one of them."""

    bodies: Sequence[str] = BODIES
    at_sending: Callable[[str], str] = str


MARKET_ORDERS = Offers()


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a POST for one order.

    `status` is None without an answer: refused, reset or too late.
    `asked_at` is on the monotonic clock. `latency_s` counts from there, not from when the order was
    due: while nobody listens, retrying clients delay later orders on their own side.
    """

    asked_at: float
    latency_s: float
    status: int | None
    order_id: str | None = None


@dataclass
class Load:
    """Offers orders at a rate, each until it is accepted.

    An `endless` load goes on until it is stopped, and offers `at_least` so many; else it offers
    exactly these.

    Only a 202 counts as accepted; after any other answer the order may or may not exist, and the
    request is repeated later. `on_accepted` is called with each accepted order. With a `batch` of
    more than one, so many orders come at once, in one request.
    """

    port: int
    rate_per_s: float
    at_least: int
    rng: random.Random
    on_accepted: Callable[[str], None]
    batch: int = 1
    offers: Offers = MARKET_ORDERS
    endless: bool = True
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stopping = threading.Event()
        self._aborted = False
        self._clients = ThreadPoolExecutor(CLIENTS)
        self._thread = threading.Thread(target=self._run, name="load")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._aborted = True
        self.stop()

    @property
    def accepted(self) -> list[str]:
        """The orders answered with 202 so far."""
        return [each.order_id for each in list(self.answers) if each.order_id]

    @property
    def lasts_s(self) -> float:
        """How long it takes to offer all orders."""
        return self.at_least / self.rate_per_s

    def post(self, bodies: Sequence[str]) -> None:
        """Offer these orders as a batch now, besides those at the rate; does not wait."""
        self._clients.submit(self._place, bodies)

    def stop(self) -> None:
        """Stop offering orders once all are offered, and wait for the answers."""
        self._stopping.set()
        self._thread.join()
        self._clients.shutdown()

    def _run(self) -> None:
        started = time.monotonic()
        for number in itertools.count(0, self.batch):
            ending = self._stopping.is_set() or not self.endless
            if self._aborted or (ending and number >= self.at_least):
                return
            due_at = started + number / self.rate_per_s
            time.sleep(max(due_at - time.monotonic(), 0.0))
            self.post([self.rng.choice(self.offers.bodies) for _ in range(self.batch)])

    def _place(self, bodies: Sequence[str]) -> None:
        while not self._aborted:
            answers = self._ask(bodies)
            self.answers += answers
            for answer in answers:
                if answer.order_id:
                    self.on_accepted(answer.order_id)
            # After any other status a repetition would fail the same way; the answer is reported.
            unknown = (None, UNAVAILABLE)
            pairs = zip(bodies, answers, strict=True)
            bodies = [body for body, answer in pairs if answer.status in unknown]
            if not bodies:
                return
            time.sleep(RETRY_S)

    def _ask(self, bodies: Sequence[str]) -> list[Answer]:
        results: Sequence[Result] = [(None, None)] * len(bodies)
        bodies = [self.offers.at_sending(body) for body in bodies]
        asked_at = time.monotonic()
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=TIMEOUT_S)
        try:
            if self.batch == len(bodies) == 1:
                connection.request("POST", PATH, bodies[0], HEADERS)
            else:
                body = f'{{"orders":[{",".join(bodies)}]}}'
                connection.request("POST", BATCH_PATH, body, HEADERS)
            response = connection.getresponse()
            results = _results(response.status, json.loads(response.read()), len(bodies))
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        latency_s = time.monotonic() - asked_at
        return [Answer(asked_at, latency_s, *result) for result in results]


def _results(status: int, document: Any, count: int) -> Sequence[Result]:
    """The status and the id of each order; of a batch that is answered, each has its own."""
    if "results" in document:
        return [(one["status"], _order_id(one.get("order"))) for one in document["results"]]
    return [(status, _order_id(document if status == ACCEPTED else None))] * count


def _order_id(order: Any) -> str | None:
    return None if order is None else str(order["orderId"])


def place(port: int, count: int, rate_per_s: float) -> list[Answer]:
    """Place a number of orders, each until it is accepted; returns all answers."""
    rng = random.Random(count)
    with Load(port, rate_per_s, count, rng, lambda _: None, endless=False) as load:
        load.stop()
    return load.answers
