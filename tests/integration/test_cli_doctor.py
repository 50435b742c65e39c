"""`doctor` on a real PostgreSQL and a real Redis: its findings and its advice."""

import json

import pytest
import redis
from sqlalchemy import Engine, text

from orderengine.cli.common import Surroundings
from orderengine.storage.orders import SqlOrders
from tests.cli_desk import call
from tests.integration.operators import run, surroundings_of
from tests.steps import Walk


@pytest.fixture
def around(database: Engine, database_url: str, redis_url: str) -> Surroundings:
    return surroundings_of(database, database_url, redis_url)


def test_doctor_finds_what_is_there_and_what_is_missing(
    around: Surroundings, redis_client: "redis.Redis"
) -> None:
    ran = call("doctor", "--no-api", "--no-flower", "--json", around=around)
    found = {each["name"]: each for each in json.loads(ran.stdout)["checks"]}
    assert {name for name, each in found.items() if not each["ok"]} == {"worker"}
    assert "start one" in found["worker"]["advice"]
    for name, variable in (("postgresql", "DATABASE_URL"), ("redis", "REDIS_URL")):
        place = around.environ[variable].partition("://")[2].rpartition("@")[2]
        assert f" at {place}, " in found[name]["detail"]
    assert "noeviction" in found["redis"]["detail"]
    assert ran.exit_code == 1
    redis_client.set("orderengine:worker:heartbeat", 1, ex=5)
    assert call("doctor", "--no-api", "--no-flower", around=around).exit_code == 0


@pytest.mark.parametrize(
    ("break_it", "name"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "postgresql"),
        ("UPDATE orders SET due_at = now() - interval '1 min'", "reconciler"),
    ],
)
def test_doctor_says_what_to_do(
    around: Surroundings, database: Engine, break_it: str, name: str
) -> None:
    Walk(SqlOrders(database))
    with database.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    try:
        run(database, break_it)
        ran = call("doctor", "--no-api", "--no-flower", around=around)
    finally:
        run(database, f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608
    lines = ran.stdout.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith(f"FAIL  {name}"))
    assert lines[at + 1].lstrip().startswith("-> ")
    assert ran.exit_code == 1


def test_doctor_minds_the_eviction_policy(
    around: Surroundings, redis_client: "redis.Redis"
) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        ran = call("doctor", "--no-api", "--no-flower", around=around)
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")
    assert "set maxmemory-policy to noeviction" in ran.stdout


def test_doctor_without_settings_says_which_one_is_missing() -> None:
    ran = call("doctor", "--no-api", around=Surroundings(environ={}))
    assert ran.exit_code == 1
    assert "DATABASE_URL must be set" in ran.stdout


def test_doctor_looks_for_flower(around: Surroundings) -> None:
    there = Surroundings(environ={**around.environ, "FLOWER_PORT": "1"})
    ran = call("doctor", "--no-api", around=there)
    assert "nothing answers at 127.0.0.1:1" in ran.stdout
