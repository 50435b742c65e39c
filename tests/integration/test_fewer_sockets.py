"""Too few descriptors for all sockets: fewer are served, that is said, and no start ends for it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.waiting import wait_until
from orderengine.webserver.descriptors import OTHERS
from tests.integration.web_process import Web, next_event, refusal

WANTED = 60


class FewFiles(Web):
    """A process that may open few files."""

    files = 360
    served = 360 - OTHERS - 360 // 4


class FewestFiles(Web):
    """A process that may open hardly more files than it has threads."""

    files = 64
    served = 1


@pytest.fixture(params=[FewFiles, FewestFiles], ids=["few files", "hardly any"])
def web(
    request: pytest.FixtureRequest, redis_url: str, tmp_path: Path
) -> Iterator[FewFiles | FewestFiles]:
    with request.param(redis_url, tmp_path, WS_MAX_SOCKETS=str(WANTED)) as running:
        yield running


def test_what_fits_is_served_and_the_rest_is_refused(web: FewFiles | FewestFiles) -> None:
    order_id = web.order()
    with ExitStack() as open_clients:
        for _ in range(web.served):
            client = open_clients.enter_context(web.follow(order_id))
            assert next_event(client)["seq"] == 1
        status, headers, problem = refusal(web.updates_url(order_id))
        assert (status, problem["code"]) == (503, "TOO_MANY_SOCKETS")
        assert headers["retry-after"] == "1"
        assert f"at most {web.served} sockets" in problem["detail"]
        assert web.state()["open"] == web.served
    wait_until(web.is_idle)
    with web.follow(order_id) as client:
        assert next_event(client)["seq"] == 1
    assert told(web) == [(web.served, WANTED)]


def told(web: Web) -> list[tuple[int, int]]:
    """How many sockets are served, and how many are wanted, each time that the log tells it."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in web.log().splitlines()]
    found = [line for line in lines if line["event"] == "fewer_sockets"]
    assert all("ulimit -n" in line["reason"] for line in found)
    return [(line["served"], line["wanted"]) for line in found]
