"""A wrong `REDIS_URL`: the look at it says in one line the fault and the remedy."""

import json

import pytest
import redis
from sqlalchemy import Engine

from orderengine.bootstrap.probes import SystemProbes
from orderengine.cli.common import Surroundings
from orderengine.dispatch.app import create_celery
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.redis.breaker import Breaker
from orderengine.redis.check import look
from orderengine.redis.client import create_client
from orderengine.redis.errors import RedisCause
from orderengine.stream.heartbeat import Heartbeat
from tests.cli_desk import call
from tests.integration.operators import surroundings_of
from tests.integration.wrong_redis import (
    FAULTS,
    PASSWORD,
    ROOT,
    TIMEOUT_S,
    USERS,
    Places,
    places,
    user,
)
from tests.servers import Servers

__all__ = ["places"]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_told_in_one_line_with_what_to_do(places: Places, fault: str) -> None:
    url, cause, found, advice = FAULTS[fault]
    trouble = look(url(places), TIMEOUT_S)
    assert trouble is not None
    told = str(trouble)
    assert trouble.cause is cause
    assert found in told
    assert advice in told
    assert "REDIS_URL" in told or cause is RedisCause.NO_RIGHTS
    assert PASSWORD not in told
    assert "\n" not in told


def test_the_rights_that_the_documentation_names_suffice(places: Places) -> None:
    documented = (ROOT / "docs" / "operations.md").read_text("utf-8").replace("\n", " ")
    for right in USERS["as-documented"].split():
        assert right in documented
    assert look(user("as-documented")(places)) is None


def test_a_number_of_no_database_is_told(servers: Servers) -> None:
    trouble = look(servers.redis_url.rpartition("/")[0] + "/99")
    assert trouble is not None
    assert trouble.cause is RedisCause.NO_DATABASE
    assert "/99 has no database with the number at the end of REDIS_URL" in str(trouble)


def test_a_redis_that_serves_has_no_trouble_and_is_left_as_it_was(
    redis_client: "redis.Redis", redis_url: str
) -> None:
    assert look(redis_url) is None
    assert redis_client.keys("*") == []


@pytest.mark.parametrize("fault", ["no TLS asked of a server with", "PostgreSQL"])
def test_what_a_process_saw_at_its_start_is_the_cause_until_redis_serves(
    places: Places, database: Engine, redis_url: str, fault: str
) -> None:
    given, cause, found, _ = FAULTS[fault]
    url = given(places)

    def probes_of(url: str) -> SystemProbes:
        dispatcher = CeleryDispatcher(create_celery(url, timeout_s=TIMEOUT_S), Breaker(0.0))
        heartbeat = Heartbeat(create_client(url, TIMEOUT_S))
        return SystemProbes(database, dispatcher, heartbeat, lambda: look(url, TIMEOUT_S))

    probes = probes_of(url)
    assert probes.degraded()["redis"] == RedisCause.NO_ANSWER
    trouble = probes.redis_trouble()
    assert trouble is not None
    assert trouble[0] == cause
    assert found in trouble[1]
    assert probes.degraded()["redis"] == cause
    assert "redis" not in probes_of(redis_url).degraded()


def found_by_doctor(around: Surroundings, url: str) -> dict[str, object]:
    given = Surroundings(environ={**around.environ, "REDIS_URL": url})
    ran = call("doctor", "--no-api", "--no-flower", "--json", around=given)
    checks = {each["name"]: each for each in json.loads(ran.stdout.splitlines()[-1])["checks"]}
    redis_check: dict[str, object] = checks["redis"]
    return redis_check


def test_doctor_tells_it_and_minds_no_missing_right_to_info(
    places: Places, database: Engine, database_url: str, redis_url: str
) -> None:
    around = surroundings_of(database, database_url, redis_url)
    closed = found_by_doctor(around, FAULTS["no password"][0](places))
    assert "asks for a password, and REDIS_URL has none" in str(closed["detail"])
    assert closed["advice"] == "put user:password@ in front of the host in REDIS_URL"
    quiet = found_by_doctor(around, user("no-info")(places))
    assert quiet["ok"]
    assert "it reports nothing about itself (no_rights)" in str(quiet["detail"])
