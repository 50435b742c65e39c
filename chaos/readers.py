"""Clients that read lists of orders one after the other, in a process of their own."""

import http.client
import json
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from orderengine.domain.order import OrderStatus
from orderengine.local.ports import LOOPBACK

TIMEOUT_S = 15.0
LISTS = (
    f"status={OrderStatus.PENDING}",
    f"status={OrderStatus.FAILED}",
    f"status={OrderStatus.SUBMITTED}&symbol=AAPL",
    f"status={OrderStatus.CONFIRMED}&symbol=BONK&limit=100",
    "symbol=RAY",
    "limit=100",
)
"""Lists with few matches among many orders, and long lists."""


@contextmanager
def read_lists(port: int, clients: int) -> Iterator[Callable[[], Counter[int]]]:
    """Let clients read during this block; the result then counts their answers by status."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(
        target=_read_until_told, args=(port, clients, theirs), daemon=True
    )
    child.start()
    ours.recv()
    answers: Counter[int] = Counter()
    try:
        yield lambda: answers
    finally:
        ours.send("stop")
        answers.update(ours.recv())
        child.join()


def _read_until_told(port: int, clients: int, told: Connection) -> None:
    ended = threading.Event()
    answers: Counter[int] = Counter()
    lock = threading.Lock()

    def run(number: int) -> None:
        turn = number
        while not ended.is_set():
            status, retry_after_s = _read(port, LISTS[turn % len(LISTS)])
            turn += 1
            with lock:
                answers[status] += 1
            # A refused client waits as Retry-After asks.
            ended.wait(retry_after_s)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    told.send("reading")
    told.recv()
    ended.set()
    for thread in threads:
        thread.join()
    told.send(answers)


def _read(port: int, query: str) -> tuple[int, float]:
    """The status of a page and its successor, 0 without an answer, and the time to wait."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/api/orders?{query}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            return answer.status, float(answer.headers.get("Retry-After", 1))
        cursor = json.loads(body)["nextCursor"]
        if cursor:
            connection.request("GET", f"/api/orders?{query}&cursor={cursor}")
            answer = connection.getresponse()
            answer.read()
        return answer.status, float(answer.headers.get("Retry-After", 0))
    except (OSError, http.client.HTTPException):
        time.sleep(1.0)
        return 0, 0.0
    finally:
        connection.close()
