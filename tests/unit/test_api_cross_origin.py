"""CORS: pages of ALLOWED_ORIGINS may use the whole API, pages of other sites nothing."""

import pytest
from werkzeug.test import TestResponse

from orderengine.api.gate.cross_origin import ALLOWED_HEADERS, METHODS
from orderengine.config.settings import Settings
from orderengine.config.variables import ConfigurationError
from orderengine.execution.intake.limits import Limits
from tests.web import Web

SITE = "https://app.example"
ORDER = {"symbol": "AAPL", "side": "buy", "quantity": 10}
URLS = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h", "HOST": "localhost"}


def web_for(*origins: str, asks_for_keys: bool = False, limits: Limits | None = None) -> Web:
    return Web(
        allowed_origins=frozenset(origins),
        asks_for_keys=asks_for_keys,
        limits=limits or Limits(),
    )


def preflight(web: Web, path: str, origin: str = SITE, method: str = "POST") -> TestResponse:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    return web.client.options(path, headers=headers)


def shared_with(answer: TestResponse) -> str | None:
    assert "Access-Control-Allow-Credentials" not in answer.headers
    return answer.headers.get("Access-Control-Allow-Origin")


def names(answer: TestResponse, header: str) -> set[str]:
    return {each.strip().lower() for each in answer.headers[header].split(",")}


def test_a_listed_site_may_send_what_the_api_reads() -> None:
    web = web_for(SITE, asks_for_keys=True)
    answer = preflight(web, "/api/orders/execute")
    assert answer.status_code == 204
    assert shared_with(answer) == SITE
    assert names(answer, "Access-Control-Allow-Methods") >= {"get", "post"}
    assert names(answer, "Access-Control-Allow-Headers") >= {
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "last-event-id",
        "prefer",
    }
    assert "Origin" in answer.vary


def test_a_listed_site_reads_answers_and_their_headers() -> None:
    web = web_for(SITE, "https://other.example", asks_for_keys=True)
    headers = {**web.key(), "Origin": SITE, "Idempotency-Key": "a"}
    answers = [web.client.post("/api/orders/execute", json=ORDER, headers=headers) for _ in "ab"]
    assert [each.status_code for each in answers] == [202, 202]
    for each in answers:
        assert shared_with(each) == SITE
        assert "Origin" in each.vary
    exposed = names(answers[1], "Access-Control-Expose-Headers")
    assert exposed >= {"location", "retry-after", "etag", "ratelimit-remaining"}
    sent = {name.lower() for name, _ in answers[1].headers}
    assert {"idempotency-replayed", "x-request-id", "location"} <= sent & exposed


@pytest.mark.parametrize("path", ["/api/orders", "/readyz", "/openapi.json", "/nothing"])
def test_other_sites_get_nothing_and_caches_are_told(path: str) -> None:
    web = web_for(SITE)
    for origin in ("https://evil.example", "https://app.example.evil", "null", "http://localhost"):
        answer = web.client.get(path, headers={"Origin": origin})
        assert shared_with(answer) is None
        assert "Origin" in answer.vary
        refused = preflight(web, path, origin)
        assert shared_with(refused) is None
        assert "Access-Control-Allow-Methods" not in refused.headers
    assert "Origin" in web.client.get(path).vary


def test_without_listed_sites_nothing_depends_on_the_origin() -> None:
    web = web_for()
    answer = web.client.get("/api/orders", headers={"Origin": SITE})
    assert shared_with(answer) is None
    assert "Origin" not in answer.vary


def test_refusals_can_be_read_too() -> None:
    web = web_for(SITE, asks_for_keys=True, limits=Limits(rate_per_key=1))
    alice = {**web.key(), "Origin": SITE}
    listed, limited = (web.client.get("/api/orders", headers=alice) for _ in "ab")
    stranger = web.client.get("/api/orders", headers={"Origin": SITE})
    unknown = web.client.get("/nothing", headers={"Origin": SITE})
    web.orders.down = True
    away = web.client.get("/api/orders", headers={**web.key("bob"), "Origin": SITE})
    statuses = [each.status_code for each in (listed, limited, stranger, unknown, away)]
    assert statuses == [200, 429, 401, 404, 503]
    for each in (limited, stranger, unknown, away):
        assert shared_with(each) == SITE
    for each in (limited, away):
        assert "retry-after" in names(each, "Access-Control-Expose-Headers")


def test_a_question_whether_one_may_ask_costs_nothing_of_the_limit() -> None:
    web = web_for(SITE, asks_for_keys=True, limits=Limits(rate_per_address=1))
    asked = [preflight(web, "/api/orders/execute") for _ in range(5)]
    assert {each.status_code for each in asked} == {204}
    assert web.client.get("/api/orders", headers=web.key()).status_code == 200
    assert preflight(web, "/api/orders", "https://evil.example").status_code == 429


def test_a_stream_is_shared_as_anything_else() -> None:
    web = web_for(SITE)
    path = f"/api/orders/{web.place()}/stream"
    answer = web.client.get(path, headers={"Origin": SITE}, buffered=False)
    assert (answer.status_code, shared_with(answer)) == (200, SITE)
    answer.close()
    web.hub.close()


def test_every_method_and_header_of_the_description_is_allowed() -> None:
    web = web_for(SITE)
    served = {method for rule in web.app.url_map.iter_rules() for method in rule.methods or ()}
    assert served - {"OPTIONS"} == set(METHODS)
    operations = [
        operation
        for path in web.client.get("/openapi.json").get_json()["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    ]
    read = {
        parameter["name"].lower()
        for operation in operations
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    }
    assert read
    assert read <= {each.lower() for each in ALLOWED_HEADERS}


@pytest.mark.parametrize(
    "wrong",
    [
        "*",
        "null",
        "app.example",
        "https://app.example/",
        "https://App.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://app.example, https://x.example/path",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="ALLOWED_ORIGINS"):
        Settings.from_env({**URLS, "ALLOWED_ORIGINS": wrong})


def test_origins_are_taken_as_browsers_write_them() -> None:
    given = "https://app.example , http://127.0.0.1:5173,http://[::1]:8080,capacitor://localhost"
    protection = Settings.from_env({**URLS, "ALLOWED_ORIGINS": given}).protection
    assert protection.allowed_origins == {each.strip() for each in given.split(",")}
