"""Liveness looks at nothing; readiness looks at what orders stand on."""

from tests.fakes import FakeProbes
from tests.web import Web


def test_the_process_lives_whatever_is_missing() -> None:
    web = Web(probes=FakeProbes(fault="PostgreSQL gives no answer", missing=["redis"]))
    web.orders.down = True
    answer = web.client.get("/livez")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_a_whole_service_is_ready() -> None:
    answer = Web().client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok", "degraded": []})


def test_a_degraded_service_is_ready_and_tells_what_is_missing() -> None:
    web = Web(probes=FakeProbes(missing=["redis", "worker"]))
    answer = web.client.get("/readyz")
    expected = {"status": "degraded", "degraded": ["redis", "worker"]}
    assert (answer.status_code, answer.get_json()) == (200, expected)


def test_without_its_database_the_service_is_not_ready() -> None:
    web = Web(probes=FakeProbes(fault="migrations are behind"))
    answer = web.client.get("/readyz")
    assert answer.status_code == 503
    assert (answer.get_json()["code"], answer.get_json()["detail"]) == (
        "NOT_READY",
        "migrations are behind",
    )
