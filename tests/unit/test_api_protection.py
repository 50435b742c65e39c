"""Limits, headers and proxies, for every request."""

import pytest
from werkzeug.test import TestResponse

from orderengine.api.gate.protection import counted_address
from orderengine.bootstrap.web import build_web
from orderengine.config.settings import Settings
from orderengine.execution.intake.limits import Limits, MemoryRates
from tests.fakes import FakeClock
from tests.web import Web

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}
ORDER = {"symbol": "AAPL", "side": "buy", "quantity": 10}


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def test_a_key_that_asks_too_often_is_told_when_to_come_back() -> None:
    web = Web(asks_for_keys=True, limits=Limits(rate_per_key=3))
    alice, bob = web.key("alice"), web.key("bob")
    answers = [web.client.get("/api/instruments", headers=alice) for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    assert {each.headers["RateLimit-Limit"] for each in answers} == {"3"}
    assert answers[-1].headers["Retry-After"] == "1"
    assert code(answers[-1]) == (429, "RATE_LIMITED")
    assert web.client.get("/api/instruments", headers=bob).status_code == 200
    web.clock.advance(1)
    assert web.client.get("/api/instruments", headers=alice).status_code == 200


def test_a_limited_request_orders_nothing() -> None:
    web = Web(asks_for_keys=True, limits=Limits(rate_per_key=1))
    alice = web.key("alice")
    answers = [web.client.post("/api/orders/execute", json=ORDER, headers=alice) for _ in range(3)]
    assert [each.status_code for each in answers] == [202, 429, 429]
    assert len(web.orders) == 1


def test_an_address_that_guesses_keys_is_limited_before_any_is_looked_up() -> None:
    web = Web(asks_for_keys=True, limits=Limits(rate_per_address=5))
    guess = {"Authorization": "Bearer oe_000000000000_" + "A" * 43}
    answers = [web.client.get("/api/orders", headers=guess) for _ in range(20)]
    assert [each.status_code for each in answers] == [401] * 5 + [429] * 15
    assert web.keys.look_ups == 5
    assert web.client.get("/livez").status_code == 200
    other = web.client.get(
        "/api/orders", headers=web.key(), environ_base={"REMOTE_ADDR": "10.1.1.1"}
    )
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("hops", "forwarded", "shared"),
    [
        (0, "1.1.1.1", True),  # no proxy is trusted
        (1, "6.6.6.6, 1.1.1.1", False),  # the address that the proxy added last
        (2, "6.6.6.6, 1.1.1.1, 10.0.0.1", False),
    ],
)
def test_exactly_the_proxies_that_there_are_say_who_asks(
    hops: int, forwarded: str, shared: bool
) -> None:
    web = Web(asks_for_keys=True, limits=Limits(rate_per_address=1), proxy_hops=hops)
    first = web.client.get("/api/orders", headers={"X-Forwarded-For": forwarded})
    assert first.status_code == 401
    other = forwarded.replace("1.1.1.1", "2.2.2.2")
    second = web.client.get("/api/orders", headers={"X-Forwarded-For": other})
    assert second.status_code == (429 if shared else 401)
    forged = forwarded.replace("6.6.6.6", "7.7.7.7")
    again = web.client.get("/api/orders", headers={"X-Forwarded-For": forged})
    assert again.status_code == 429


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:3000", 200),
        ("127.0.0.1:3000", 200),
        ("[::1]:3000", 200),
        ("desk.example", 200),
        ("evil.example:3000", 400),
        ("127.0.0.1.evil.example", 400),
        ("[", 400),
    ],
)
def test_a_local_service_is_no_page_of_a_site_whose_name_leads_here(host: str, status: int) -> None:
    web = Web(known_hosts=frozenset({"desk.example"}))
    assert web.client.get("/livez", headers={"Host": host}).status_code == status


def test_which_names_are_known_depends_on_who_can_ask() -> None:
    urls = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h", "HOST": "localhost"}
    local = {**urls, "ALLOWED_ORIGINS": "https://desk.example"}
    assert Settings.from_env(local).known_hosts == frozenset({"desk.example"})
    assert Settings.from_env({**local, "AUTH": "required"}).known_hosts is None
    assert Settings.from_env({**local, "AUTH": "off", "HOST": "0.0.0.0"}).known_hosts is None


def test_a_host_has_one_allowance_however_many_addresses_it_has() -> None:
    assert counted_address("2001:db8:1:2::1") == counted_address("2001:db8:1:2:ffff::9")
    assert counted_address("2001:db8:1:2::1") != counted_address("2001:db8:1:3::1")
    assert counted_address("::ffff:192.0.2.1") == counted_address("192.0.2.1") == "192.0.2.1"
    assert counted_address("no address") == "no address"


def test_what_is_open_to_strangers_is_limited_too_but_not_the_sign_of_life() -> None:
    web = Web(asks_for_keys=True, limits=Limits(rate_per_address=2))
    paths = ["/readyz", "/openapi.json", "/readyz", "/livez", "/livez", "/livez"]
    answers = [web.client.get(path).status_code for path in paths]
    assert answers == [200, 200, 429, 200, 200, 200]


def test_a_client_has_so_many_sockets_and_gives_each_back() -> None:
    web = Web(limits=Limits(max_sockets_per_client=1))
    path = f"/ws/orders?orderId={web.place()}&after=9"  # refused by the last check
    answers = [web.client.get(path, headers=UPGRADE) for _ in range(3)]
    assert [code(each) for each in answers] == [(400, "VALIDATION_FAILED")] * 3
    updates = web.app.extensions["orderengine.updates"]
    assert updates.open == 0
    assert not updates.slots._by_client


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example", 400),
        ("http://localhost", 400),
        ("https://localhost", 400),
        ("https://evil.example", 403),
        ("https://app.example.evil", 403),
        ("http://app.example", 403),
        ("http://localhost.evil", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_sockets_are_opened_for_pages_of_listed_sites_only(origin: str, status: int) -> None:
    web = Web(allowed_origins=frozenset({"https://app.example"}))
    path = f"/ws/orders?orderId={web.place()}&after=9"
    answer = web.client.get(path, headers={**UPGRADE, "Origin": origin})
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/api/orders", "/livez", "/nothing", "/openapi.json", "/metrics"])
def test_every_answer_tells_browsers_to_do_nothing_with_it(path: str) -> None:
    headers = Web().client.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; frame-ancestors")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers
    assert "Strict-Transport-Security" not in headers


def test_browsers_are_held_to_tls_where_it_is_spoken() -> None:
    secure = {"X-Forwarded-Proto": "https"}
    trusted = Web(proxy_hops=1).client.get("/livez", headers=secure).headers
    assert trusted["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in Web().client.get("/livez", headers=secure).headers


def test_memory_counts_per_second_and_name() -> None:
    clock = FakeClock()
    rates = MemoryRates(lambda: clock.seconds)
    assert [rates.count("a"), rates.count("a"), rates.count("b")] == [1, 2, 1]
    clock.advance(1)
    assert rates.count("a") == 1


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AUTH": "required"}, Limits(50, 100, 1000, 50, max_waiting_orders=5000)),
        (
            {"AUTH": "required", "HOST": "127.0.0.1"},
            Limits(50, 100, 1000, 50, max_waiting_orders=5000),
        ),
        ({"AUTH": "off"}, Limits(rate_per_address=100)),
        ({"AUTH": "off", "RATE_PER_ADDRESS": "0"}, Limits()),
        ({"AUTH": "off", "HOST": "127.0.0.1"}, Limits()),
        ({"HOST": "127.0.0.1"}, Limits()),
        ({"AUTH": "off", "HOST": "127.0.0.1", "PROXY_HOPS": "1"}, Limits(rate_per_address=100)),
        ({"HOST": "127.0.0.1", "ORDERS_DISABLED": "1"}, Limits(orders_disabled=True)),
    ],
)
def test_which_limits_hold_depends_on_keys_and_on_who_can_ask(
    environ: dict[str, str], expected: Limits
) -> None:
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
    assert build_web(Settings.from_env({**nowhere, **environ})).limits == expected


def test_without_keys_an_address_is_still_limited() -> None:
    web = Web(limits=Limits(rate_per_address=2))
    answers = [web.client.get("/api/instruments") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert web.client.get("/livez").status_code == 200


def test_the_files_of_the_page_do_not_cost_an_address_its_requests_and_are_limited_too() -> None:
    web = Web(limits=Limits(rate_per_address=2))

    def status(path: str) -> int:
        with web.client.get(path) as answer:
            return answer.status_code

    paths = ["/", "/static/js/main.js", "/static/js/main.js", "/api/orders", "/api/orders", "/"]
    assert [status(path) for path in paths] == [200, 200, 429, 200, 200, 429]
    assert status("/static/nothing.js") == 429
    assert status("/nothing") == 429
