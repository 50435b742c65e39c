"""The load: orders at a rate, and the client's answer to each."""

import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from benchmarks.client import ACCEPTED, BODIES, HEADERS, PATH
from orderengine.local.ports import LOOPBACK

TIMEOUT_S = 15.0
RETRY_S = 0.5
CLIENTS = 48
UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one POST; `status` is None without an answer: refused, reset or too late.

    `asked_at` is on the monotonic clock. `latency_s` counts from there, not from when the order was
    due: while nobody listens, retrying clients delay later orders on their own side.
    """

    asked_at: float
    latency_s: float
    status: int | None
    order_id: str | None = None


@dataclass
class Load:
    """Offers orders at a rate from start to stop, each until it is accepted.

    Only a 202 counts as accepted; after any other answer the order may or may not exist, and the
    request is repeated later. `on_accepted` is called with each accepted order.
    """

    port: int
    rate_per_s: float
    at_least: int
    rng: random.Random
    on_accepted: Callable[[str], None]
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

    def stop(self) -> None:
        """Stop offering orders once all are offered, and wait for the answers."""
        self._stopping.set()
        self._thread.join()
        self._clients.shutdown()

    def _run(self) -> None:
        started = time.monotonic()
        for number in itertools.count():
            if self._aborted or (self._stopping.is_set() and number >= self.at_least):
                return
            due_at = started + number / self.rate_per_s
            time.sleep(max(due_at - time.monotonic(), 0.0))
            body = BODIES[self.rng.randrange(len(BODIES))]
            self._clients.submit(self._place, body)

    def _place(self, body: str) -> None:
        while not self._aborted:
            answer = self._ask(body)
            self.answers.append(answer)
            if answer.order_id:
                self.on_accepted(answer.order_id)
                return
            if answer.status not in (None, UNAVAILABLE):
                return  # a repetition would fail the same way; the answer is reported
            time.sleep(RETRY_S)

    def _ask(self, body: str) -> Answer:
        status, order_id = None, None
        asked_at = time.monotonic()
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", PATH, body, HEADERS)
            response = connection.getresponse()
            document = json.loads(response.read())
            status = response.status
            if status == ACCEPTED:
                order_id = str(document["orderId"])
        except (OSError, http.client.HTTPException):
            status = None
        finally:
            connection.close()
        return Answer(asked_at, time.monotonic() - asked_at, status, order_id)


def place(port: int, count: int, rate_per_s: float) -> list[Answer]:
    """Place a number of orders, each until it is accepted; returns all answers."""
    with Load(port, rate_per_s, count, random.Random(count), lambda _: None) as load:
        load.stop()
    return load.answers
