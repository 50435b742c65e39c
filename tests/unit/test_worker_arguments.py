"""Which bodies of messages a worker takes for a task."""

from typing import Any
from uuid import uuid4

import pytest

from chaos.garbage import CHAINS, NOTHING
from orderengine.dispatch.names import BUILD_ORDER, ROUTE_ORDER
from orderengine.worker.arguments import fault_of_body

ROUTED = [str(uuid4()), 1, "order"]
LINK = {"task": BUILD_ORDER, "args": [], "kwargs": {}, "options": {"queue": "settle"}}


@pytest.mark.parametrize("links", [None, {}, NOTHING, {"chain": [LINK], "chord": LINK}])
def test_the_last_item_may_hold_links_to_other_tasks(links: Any) -> None:
    assert fault_of_body(ROUTE_ORDER, [ROUTED, {}, links]) is None


@pytest.mark.parametrize(
    "links",
    [
        *([], 7, {"retries": 1}, {"chain": "x"}, {"callbacks": [[LINK]]}, {"chord": [LINK]}),
        *({"chain": chain} for chain in CHAINS.values()),
    ],
)
def test_anything_else_in_it_is_a_fault(links: Any) -> None:
    fault = fault_of_body(ROUTE_ORDER, [ROUTED, {}, links])
    assert fault is not None
    assert fault.startswith("the last item of its body ")
