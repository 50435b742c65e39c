"""The description of the API at `/openapi.json`, made from the views and their schemas."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from apispec import BasePlugin
from flask import Flask
from flask_smorest import Api, Blueprint
from marshmallow import Schema

from orderengine.api.answers.event_schemas import describe_events
from orderengine.api.answers.problems import PROBLEM_JSON, TITLES, ErrorCode
from orderengine.api.answers.schemas import ProblemSchema
from orderengine.api.description.problem_examples import EXAMPLES, problem_example

_RETRY = {
    "Retry-After": {
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "description": "The seconds after which a retry may succeed.",
    }
}
_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {
        "WWW-Authenticate": {
            "schema": {"type": "string"},
            "description": "The authentication scheme.",
        }
    },
    409: {
        **_RETRY,
        "Location": {
            "schema": {"type": "string"},
            "description": "The order that has this `clientOrderId`.",
        },
    },
    429: _RETRY,
    503: _RETRY,
}

BEHIND_THE_GATE = (
    ErrorCode.UNAUTHORIZED,
    ErrorCode.RATE_LIMITED,
    ErrorCode.STORAGE_UNAVAILABLE,
)
"""The errors that every view with authentication can answer."""

DESCRIPTION = """Place orders over REST, and follow them while they wait and are executed.

**From a key to a confirmed order**

1. Get a key. The operator creates it with `python -m orderengine keys create NAME`, which prints
   it once. On this page, enter it at **Authorize**. With `AUTH=off` no key is needed.

2. Place an order, and wait for its end for up to 10 seconds:

       URL=http://127.0.0.1:3000
       KEY=oe_...
       curl -s "$URL/api/orders/execute" -H "Authorization: Bearer $KEY" \\
         -H 'Content-Type: application/json' -H 'Prefer: wait=10' \\
         -d '{"symbol": "AAPL", "side": "buy", "quantity": 10}'

   The order's `status` is `confirmed`, or `failed` with a `reason`. Without `Prefer`, or if the
   order takes longer, the answer is a 202 with the `orderId`.

3. Get every step of the order as it happens. A late client gets the earlier steps first:

       ORDER_ID=...
       curl -sN "$URL/api/orders/$ORDER_ID/stream" -H "Authorization: Bearer $KEY"

   A WebSocket at `/ws/orders?orderId=...`, with the same header, sends the same steps;
   `/asyncapi.json` describes it. Browsers can not send a header there; they get a ticket first:
   `POST /api/tickets`.

**Orders that wait**

A `limit` order waits for its price, a `stop` order for a price that is as bad or worse, a `sniper`
for a pool. It is `waiting` until then, for weeks if need be; its streams stay open. Cancel it:

       curl -s -X DELETE "$URL/api/orders/$ORDER_ID" -H "Authorization: Bearer $KEY"

A 200 means that it is canceled. A 202 means that its swap is under way: it ends `canceled`, or
`confirmed` with `cancelTooLate`. A 409 `TOO_LATE` has the `order` as it ended. To amend an order
that waits, send its new terms by PATCH, with its `version` in `If-Match`.

**All answers**

Names are in camelCase; money and quantities are decimal strings; times are RFC 3339 in UTC. Every
error is `application/problem+json` with a stable `code`; the examples show the answer for each
code. A key gives access to the orders of its client only. `X-Request-Id` is the request's own, if
it had one. `RateLimit-Limit` and `RateLimit-Remaining` are the requests allowed in this second,
and those left. After a 429 or 503, `Retry-After` says when to retry; send the same
`Idempotency-Key`, so that a retry never orders twice.
"""

View = TypeVar("View", bound=Callable[..., Any])


class ApiBlueprint(Blueprint):
    """A blueprint whose views read their input themselves and declare it here.

    A declaration changes no view: flask-smorest would wrap it once more for each, and every request
    would pass a dozen wrappers.
    """

    @staticmethod
    def doc(**told: Any) -> Callable[[View], View]:
        """Declare members of a view's description."""
        return _declaring(Blueprint.doc(**told))

    def alt_response(self, *status: Any, **told: Any) -> Callable[[View], View]:
        """Declare another answer of a view."""
        return _declaring(super().alt_response(*status, **told))

    def problems(self, *codes: ErrorCode) -> Callable[[View], View]:
        """Declare the errors that a view can answer."""
        by_status: dict[int, list[ErrorCode]] = {}
        for code in codes:
            by_status.setdefault(EXAMPLES[code].status, []).append(code)

        def declare(view: View) -> View:
            for status, found in by_status.items():
                view = self.alt_response(
                    status,
                    schema=ProblemSchema,
                    content_type=PROBLEM_JSON,
                    description="; ".join(f"`{code}`: {TITLES[code]}" for code in found),
                    examples={code.value: {"value": problem_example(code)} for code in found},
                    headers=_HEADERS.get(status),
                )(view)
            return view

        return declare

    def takes_body(
        self,
        schema: type[Schema],
        example: Mapping[str, Any] | None = None,
        **examples: Mapping[str, Any],
    ) -> Callable[[View], View]:
        """Declare a view's JSON body, with one example, or with several by their names."""
        named = {name: {"value": value} for name, value in examples.items()}
        shown = {"examples": named} if example is None else {"example": example}
        content = {"application/json": {"schema": schema, **shown}}
        declare: Callable[[View], View] = self.doc(
            requestBody={"required": True, "content": content}
        )
        return declare

    def takes_headers(self, *headers: Mapping[str, Any]) -> Callable[[View], View]:
        """Declare the optional headers of a view's request: name, description and schema each."""
        declare: Callable[[View], View] = self.doc(
            parameters=[{"in": "header", **header} for header in headers]
        )
        return declare

    def takes_query(self, schema: type[Schema]) -> Callable[[View], View]:
        """Declare a view's query parameters."""
        declare: Callable[[View], View] = self.doc(parameters=[{"in": "query", "schema": schema}])
        return declare


def _declaring(wrapped: Callable[[View], View]) -> Callable[[View], View]:
    """Keep what a decorator declares on its wrapper, and drop the wrapper."""

    def declare(view: View) -> View:
        declared = {**vars(wrapped(view))}
        del declared["__wrapped__"]
        vars(view).update(declared)
        return view

    return declare


class ProblemApi(Api):
    """The API with one error format: flask-smorest's own is not described."""

    DEFAULT_ERROR_RESPONSE_NAME = None


class _Open(BasePlugin):
    """Drops the answer 401 from the description where nobody needs a key."""

    def operation_helper(
        self,
        path: str | None = None,  # noqa: ARG002 - apispec's
        operations: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Change the operations of a path before they are described."""
        for operation in (operations or {}).values():
            for status in (401, "401"):
                operation.get("responses", {}).pop(status, None)


def describe(app: Flask, *, asks_for_keys: bool) -> ProblemApi:
    """Describe the blueprints that are registered with the returned API.

    `app` serves no request: it holds what flask-smorest looks up.
    """
    app.config.update(
        API_TITLE="orderengine",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {
                "description": DESCRIPTION,
                "license": {"name": "MIT", "identifier": "MIT"},
                "contact": {"name": "The operator of this service"},
            },
            "servers": [{"url": "/"}],
            "security": [{"key": []}] if asks_for_keys else [],
        },
    )
    api = ProblemApi(app, spec_kwargs={"extra_plugins": [] if asks_for_keys else [_Open()]})
    for unused in ("Error", "PaginationMetadata"):  # flask-smorest's own, referred to by nothing
        api.spec.components.schemas.pop(unused)
    describe_events(api.spec, api.ma_plugin)
    if asks_for_keys:
        scheme = {"type": "http", "scheme": "bearer", "description": "A client's key, `oe_…`."}
        api.spec.components.security_scheme("key", scheme)
    return api
