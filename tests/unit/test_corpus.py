"""The hostile corpus: no request gets a 5xx, writes a row, or is refused without a named rule."""

from collections import Counter

import pytest

from tests.corpus import Hostile, corpus
from tests.web import Web, rules

CASES = corpus()
SHORT = 2000
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


@pytest.fixture(scope="module")
def web() -> Web:
    return Web()


@pytest.fixture(scope="module")
def order_id(web: Web) -> str:
    return web.place()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_refused_by_its_name_and_leaves_nothing(
    case: Hostile, web: Web, order_id: str
) -> None:
    headers = {**case.headers}
    if case.path.startswith("/ws/"):
        headers |= UPGRADE
    elif case.method == "POST":
        headers.setdefault("Content-Type", "application/json")
    answer = web.client.open(
        case.path.replace("{order}", order_id), method=case.method, data=case.body, headers=headers
    )
    assert answer.status_code in case.statuses, answer.text
    named = [name for name, rule in rules(answer) if rule]
    if case.rule:
        assert rules(answer) == [(case.abuses, case.rule)]
        code = "INVALID_JSON" if case.family == "not JSON" else "VALIDATION_FAILED"
        assert answer.get_json()["code"] == code
        assert len(answer.data) < SHORT
    elif case.abuses:
        assert any(part in named for part in case.abuses.split("|")), (named, answer.text)
    else:
        assert answer.get_json()["code"] in {"ORDER_NOT_FOUND", "NOT_FOUND"}
    assert len(web.orders) == 1
    assert len(web.dispatcher.sent) == 1


def test_it_is_large_and_has_every_family() -> None:
    families = Counter(case.family for case in CASES)
    assert len({case.sent for case in CASES}) == len(CASES) >= 800
    assert len(families) >= 16
