"""Access over HTTP: strangers may do nothing, and a client only sees its own orders."""

from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from orderengine.api.gate.access import CLOSED_PREFIXES
from tests.web import Web, rules

ORDER = {"symbol": "AAPL", "side": "buy", "quantity": 10}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}
OPEN_TO_ALL = {"/", "/livez", "/readyz", "/openapi.json", "/asyncapi.json", "/docs"}
PAGE_FILES = "/static/<path:name>"
DOCS_FILES = "/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js', 'init.js'):name>"


@pytest.fixture
def web() -> Web:
    return Web(asks_for_keys=True)


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def placed(web: Web, headers: dict[str, str], **more: object) -> str:
    answer = web.client.post("/api/orders/execute", json={**ORDER, **more}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["orderId"])


def test_every_path_is_closed_to_strangers_or_listed_as_open(web: Web) -> None:
    paths = {rule.rule for rule in web.app.url_map.iter_rules()}
    is_open = {path for path in paths if not path.startswith(CLOSED_PREFIXES)}
    assert is_open == OPEN_TO_ALL | {DOCS_FILES, PAGE_FILES}
    for rule in web.app.url_map.iter_rules():
        if rule.rule in is_open:
            with web.client.get(
                rule.rule.replace(DOCS_FILES, "/docs/init.js").replace(
                    PAGE_FILES, "/static/index.html"
                )
            ) as shown:
                assert shown.status_code == 200
            continue
        path = rule.rule.replace("<order:order_id>", str(uuid4()))
        path = path.replace("<order_id>", str(uuid4()))
        for method in rule.methods or ():
            answer = web.client.open(path, method=method)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="orderengine"'
    assert web.keys.look_ups == 0


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer oe_000000000000_" + "A" * 43,
        "Bearer oe_\u00e9",
        "bearer x, Bearer y",
    ],
)
def test_what_is_no_key_lets_nobody_in(web: Web, given: str) -> None:
    answer = web.client.get("/api/orders", headers={"Authorization": given})
    assert rules(answer) == []
    assert code(answer) == (401, "UNAUTHORIZED")


def test_a_stranger_is_refused_before_the_body_is_looked_at(web: Web) -> None:
    assert web.post("{").status_code == 401
    assert web.client.get("/api/nothing/here").status_code == 401
    assert len(web.orders) == 0


def test_a_key_lets_its_client_in(web: Web) -> None:
    alice = web.key("alice")
    order_id = placed(web, alice)
    (moved,) = web.publisher.published
    assert moved.order.client_id == "alice"
    assert web.client.get(f"/api/orders/{order_id}", headers=alice).status_code == 200
    again = {"Authorization": alice["Authorization"].replace("Bearer", "bearer")}
    assert web.client.get(f"/api/orders/{order_id}", headers=again).status_code == 200


@pytest.mark.parametrize("cached", [True, False])
def test_the_order_of_another_client_is_as_good_as_none(web: Web, cached: bool) -> None:
    alice, bob = web.key("alice"), web.key("bob")
    order_id, nobodys = placed(web, alice), str(uuid4())
    if cached:
        for moved in web.publisher.published:
            web.cache.keep(moved.order)
    for path in ("/api/orders/{}", "/api/orders/{}/events", "/api/orders/{}/events?after=1"):
        foreign = web.client.get(path.format(order_id), headers=bob)
        unknown = web.client.get(path.format(nobodys), headers=bob)
        assert code(foreign) == (404, "ORDER_NOT_FOUND")
        assert (foreign.data, foreign.status) == (unknown.data, unknown.status)
        assert web.client.get(path.format(order_id), headers=alice).status_code == 200
    streams = [
        web.client.get(f"/api/orders/{each}/stream", headers=bob) for each in (order_id, nobodys)
    ]
    assert [code(each) for each in streams] == [(404, "ORDER_NOT_FOUND")] * 2
    told = [each.text.replace(order_id, "…").replace(nobodys, "…") for each in streams]
    assert told[0] == told[1]


def test_the_socket_of_another_clients_order_is_as_good_as_none(web: Web) -> None:
    alice, bob = web.key("alice"), web.key("bob")
    order_id, nobodys = placed(web, alice), str(uuid4())
    answers = [
        web.client.get(f"/ws/orders?orderId={each}&after=1", headers=UPGRADE | bob)
        for each in (order_id, nobodys)
    ]
    assert [code(each) for each in answers] == [(404, "ORDER_NOT_FOUND")] * 2
    told = [each.text.replace(order_id, "…").replace(nobodys, "…") for each in answers]
    assert told[0] == told[1]


def test_a_list_has_the_clients_own_orders_only(web: Web) -> None:
    alice, bob = web.key("alice"), web.key("bob")
    mine = {placed(web, alice) for _ in range(3)}
    placed(web, bob)
    listed = web.client.get("/api/orders", headers=alice).get_json()["orders"]
    assert {order["orderId"] for order in listed} == mine


def test_the_order_of_another_client_is_no_cursor(web: Web) -> None:
    alice, bob = web.key("alice"), web.key("bob")
    placed(web, alice)
    placed(web, bob)
    web.clock.advance(1)
    foreign = placed(web, bob)
    page = web.client.get("/api/orders?limit=1", headers=bob).get_json()
    for cursor in (page["nextCursor"], foreign.replace("-", "")):
        path = f"/api/orders?cursor={cursor}"
        assert web.client.get(path, headers=bob).status_code == 200
        answer = web.client.get(path, headers=alice)
        assert (answer.status_code, rules(answer)) == (400, [("cursor", "cursor")])


def test_two_clients_may_use_the_same_idempotency_key(web: Web) -> None:
    alice, bob = web.key("alice"), web.key("bob")
    key = {"Idempotency-Key": "k-1"}
    first, other = placed(web, alice | key), placed(web, bob | key, quantity=11)
    assert first != other
    assert placed(web, alice | key) == first


def test_two_keys_of_one_client_see_the_same_orders(web: Web) -> None:
    order_id = placed(web, web.key("alice"))
    answer = web.client.get(f"/api/orders/{order_id}", headers=web.key("alice"))
    assert answer.status_code == 200


def test_a_revoked_key_opens_nothing_after_a_moment(web: Web) -> None:
    alice = web.key("alice")
    placed(web, alice)
    (record,) = web.keys.all()
    web.keys.revoke(record.key_id)
    web.clock.advance(3)
    assert web.client.get("/api/orders", headers=alice).status_code == 401


def test_without_an_answer_of_the_store_a_client_is_told_to_come_back(web: Web) -> None:
    alice = web.key("alice")
    web.keys.down = True
    answer = web.client.get("/api/orders", headers=alice)
    assert code(answer) == (503, "STORAGE_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "1"


def test_a_ticket_takes_the_place_of_a_key_at_a_socket_once(web: Web) -> None:
    alice = web.key("alice")
    order_id = placed(web, alice)
    bought = web.client.post("/api/tickets", headers=alice)
    assert bought.status_code == 201
    ticket = bought.get_json()["ticket"]
    assert bought.get_json()["expiresAt"] == "2026-11-22T12:00:30.000000Z"
    # The last check refuses an `after` beyond the order: all checks before it have passed.
    path = f"/ws/orders?orderId={order_id}&after=9&ticket={ticket}"
    assert code(web.client.get(path, headers=UPGRADE)) == (400, "VALIDATION_FAILED")
    assert code(web.client.get(path, headers=UPGRADE)) == (401, "UNAUTHORIZED")


def test_a_ticket_opens_sockets_only(web: Web) -> None:
    ticket = web.client.post("/api/tickets", headers=web.key()).get_json()["ticket"]
    assert web.client.get(f"/api/orders?ticket={ticket}").status_code == 401
    bearer = {"Authorization": f"Bearer {ticket}"}
    assert web.client.get("/api/orders", headers=bearer).status_code == 401
    assert web.client.post("/api/tickets", headers=bearer).status_code == 401


def test_the_figures_of_all_orders_are_the_operators(web: Web) -> None:
    refused = web.client.get("/metrics", headers=web.key("alice"))
    assert code(refused) == (403, "FORBIDDEN")
    assert web.client.get("/metrics", headers=web.key("local")).status_code == 200


def test_where_no_key_is_asked_for_everybody_is_one_client() -> None:
    web = Web()
    order_id = web.place()
    headers = {"Authorization": "Bearer whatever"}
    assert web.client.get(f"/api/orders/{order_id}", headers=headers).status_code == 200
    assert web.client.post("/api/tickets").status_code == 201
    assert web.client.get("/metrics").status_code == 200
