"""`doctor` on the API: whether it takes orders, and from whom."""

import json
from collections.abc import Iterator

import pytest

from orderengine.cli.common import Surroundings
from tests.cli_desk import Desk, call, open_desk

SERVERS = {"DATABASE_URL": "postgresql://h/db", "REDIS_URL": "redis://h"}
Finding = dict[str, str]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        desk.pages["/readyz"] = b'{"status":"ok","degraded":[]}'
        yield desk


def found(url: str, environ: dict[str, str] | None = None) -> dict[str, Finding]:
    """The findings by name; without settings the servers are not checked."""
    ran = call("doctor", "--json", "--url", url, around=Surroundings(environ=environ or {}))
    assert ran.exit_code == 1
    return {each["name"]: each for each in json.loads(ran.stdout)["checks"]}


def test_an_api_that_takes_orders_is_well_and_its_openness_told(desk: Desk) -> None:
    findings = found(desk.url)
    assert findings["api"]["detail"] == f"answers at {desk.url}, and takes orders"
    assert findings["api"]["ok"]
    assert "the same client (AUTH=off)" in findings["access"]["detail"]


def test_an_api_that_asks_for_keys_is_said_to(desk: Desk) -> None:
    desk.statuses["/api/instruments"] = 401
    assert "AUTH=required" in found(desk.url)["access"]["detail"]


@pytest.mark.parametrize(
    ("status", "page", "told"),
    [
        (503, b'{"code":"NOT_READY","detail":"not migrated"}', "takes no orders: not migrated"),
        (200, b'{"status":"degraded","degraded":["redis","worker"]}', "degraded: redis, worker"),
        (200, b"<html>", "no answer from"),
    ],
)
def test_an_api_that_is_not_well_is_told_with_its_reason(
    desk: Desk, status: int, page: bytes, told: str
) -> None:
    desk.pages["/readyz"], desk.statuses["/readyz"] = page, status
    api = found(desk.url)["api"]
    assert told in api["detail"]
    assert api["advice"]


def test_a_halt_is_not_taken_for_a_fault(desk: Desk) -> None:
    desk.pages["/readyz"] = b'{"status":"degraded","degraded":["trading"]}'
    assert found(desk.url)["api"]["advice"].endswith("to end that, run: resume")
    desk.pages["/readyz"] = b'{"status":"degraded","degraded":["redis","trading"]}'
    assert "run: resume; fix what else is missing" in found(desk.url)["api"]["advice"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "AUTH must be set to required, or to off, when HOST is 0.0.0.0"),
        ({"HOST": "127.0.0.1"}, None),
        ({"AUTH": "required"}, None),
    ],
)
def test_an_api_that_nobody_decided_about_does_not_start(
    settings: dict[str, str], told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.cli.doctor.examine", lambda _: [])
    findings = found("http://127.0.0.1:1", SERVERS | settings)
    assert "access" not in findings
    advice = findings["api"]["advice"]
    assert "make run" in advice
    assert (told in advice) if told else ("does not start" not in advice)


def test_an_api_that_is_not_meant_to_be_reached_is_not_looked_for() -> None:
    around = Surroundings(environ={})
    ran = call("doctor", "--no-api", "--json", "--url", "http://127.0.0.1:1", around=around)
    assert "api" not in {each["name"] for each in json.loads(ran.stdout)["checks"]}
