"""The database's time between two readings of it."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.errors import StorageUnavailable
from orderengine.postgres.database import create_database_engine
from orderengine.storage import clock
from orderengine.storage.clock import RESYNC_S, DatabaseClock

SECOND = timedelta(seconds=1)


class Steady:
    """The host's steady clock; `sleeps` makes the process sleep during the n-th reading."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.sleeps: dict[int, float] = {}
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        self.seconds += self.sleeps.get(self.reads, 0.0)
        return self.seconds


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Steady:
    steady = Steady()
    monkeypatch.setattr(clock, "_steady_s", steady)
    return steady


def test_the_time_is_the_databases(database: Engine) -> None:
    with database.connect() as connection:
        before = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        now = DatabaseClock(database).now()
        after = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert before - SECOND < now < after + SECOND


def test_a_process_that_slept_while_it_read_does_not_believe_it(
    database: Engine, steady: Steady
) -> None:
    known = DatabaseClock(database)
    first = known.now()
    steady.seconds += RESYNC_S + 1
    steady.sleeps = dict.fromkeys(range(steady.reads + 4, steady.reads + 6), 20.0)
    now = known.now()
    assert steady.seconds == 1000.0 + RESYNC_S + 1 + 40
    assert abs(now - first - timedelta(seconds=RESYNC_S + 1 + 40)) < SECOND


def test_a_known_time_goes_on_without_the_database(
    database_url: str, database: Engine, steady: Steady, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = database_url.rsplit("@", 1)[0] + "@127.0.0.1:1/orderengine_test"
    lost = create_database_engine(nowhere, pool_size=1, application="tests")
    known = DatabaseClock(database)
    first = known.now()
    monkeypatch.setattr(known, "_engine", lost)
    steady.seconds += RESYNC_S + 1
    assert abs(known.now() - first - timedelta(seconds=RESYNC_S + 1)) < SECOND
    with pytest.raises(StorageUnavailable):
        DatabaseClock(lost).now()
    lost.dispose()
