"""The number of waiting messages during and after an outage, beside that of open orders."""

import contextlib
import threading
import time
from typing import Self

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from chaos.evidence import QueueSample
from chaos.rig import Rig

EVERY_S = 0.25

_OPEN = text("SELECT count(*) FROM orders WHERE due_at IS NOT NULL")


class QueueWatch:
    """Samples four times a second; skips a sample without an answer."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queues")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            with contextlib.suppress(SQLAlchemyError, redis.RedisError):
                self._rig.queue_samples.append(self._look())

    def _look(self) -> QueueSample:
        with self._rig.database.connect() as connection:
            # Orders first: one that ends before the messages are counted only lowers their number.
            number = int(connection.execute(_OPEN).scalar_one())
        return QueueSample(time.time(), sum(self._rig.queued().values()), number)
