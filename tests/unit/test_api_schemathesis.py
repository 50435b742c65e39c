"""The API against its own description: generated requests get answers that conform to it."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.auths import AuthContext
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from orderengine.api.updates import prefer_wait
from tests.web import Web

EXAMPLES = 25
AnyCase = Case[Any]

_WEB = Web(asks_for_keys=True)
_KEY = _WEB.key()["Authorization"]
schema = schemathesis.openapi.from_wsgi("/openapi.json", _WEB.app)


@schema.auth()
class WithKey:
    """Adds a client's key to every request, except to those that test a missing key."""

    def get(self, case: AnyCase, context: AuthContext) -> str:
        return _KEY

    def set(self, case: AnyCase, data: str, context: AuthContext) -> None:
        case.headers["Authorization"] = data


# These may refuse requests that their schemas allow: a schema can not express the steps and limits
# of an instrument, a key that was used before, or which text is printable.
MAY_REFUSE = {
    *("/api/orders/execute", "/api/orders/batch", "/api/quotes", "/api/orders"),
    "/api/orders/{order_id}",  # an amendment that changes nothing
}


@pytest.fixture(scope="module", autouse=True)
def _nothing_ends_here() -> Iterator[None]:
    """Orders of this application never end: a request that waits for an end would wait in vain."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(prefer_wait, "MAX_WAIT_S", 0)
        yield


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_described_is_what_is_answered(case: AnyCase) -> None:
    excluded: list[Any] = []
    if case.operation.path in MAY_REFUSE:
        excluded = [positive_data_acceptance]
    if case.operation.path == "/api/orders/batch":
        excluded.append(negative_data_rejection)  # a bad order refuses itself, not the batch
    case.call_and_validate(excluded_checks=excluded)


def test_all_of_it_is_generated_for() -> None:
    assert schema.statistic.operations.total == schema.statistic.operations.selected == 16
