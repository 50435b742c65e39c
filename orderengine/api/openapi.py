"""The description of the API at `/openapi.json`, made from the views and their schemas."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response
from flask_smorest import Api, Blueprint
from marshmallow import Schema
from werkzeug.exceptions import HTTPException

from orderengine.api.answers import ProblemSchema
from orderengine.api.errors import PROBLEM_JSON, http_problem

View = TypeVar("View", bound=Callable[..., Any])


class ApiBlueprint(Blueprint):
    """A blueprint whose views read their input themselves and declare it here."""

    def problems(self, *statuses: int) -> Callable[[View], View]:
        """Declare the error answers of a view."""

        def declare(view: View) -> View:
            for status in statuses:
                view = self.alt_response(status, schema=ProblemSchema, content_type=PROBLEM_JSON)(
                    view
                )
            return view

        return declare

    def takes_body(self, schema: type[Schema]) -> Callable[[View], View]:
        """Declare a view's JSON body."""
        content = {"application/json": {"schema": schema}}
        declare: Callable[[View], View] = self.doc(
            requestBody={"required": True, "content": content}
        )
        return declare

    def takes_header(self, name: str, schema: dict[str, Any]) -> Callable[[View], View]:
        """Declare an optional header of a view's request."""
        declare: Callable[[View], View] = self.doc(
            parameters=[{"in": "header", "name": name, "schema": schema}]
        )
        return declare

    def takes_query(self, schema: type[Schema]) -> Callable[[View], View]:
        """Declare a view's query parameters."""
        declare: Callable[[View], View] = self.doc(parameters=[{"in": "query", "schema": schema}])
        return declare


class ProblemApi(Api):
    """The API with one form of error: flask-smorest's own is never answered nor described."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Answer as every other error is answered."""
        return http_problem(error)


def describe(app: Flask) -> ProblemApi:
    """Serve `/openapi.json` for the blueprints that are registered with what this returns."""
    app.config.update(
        API_TITLE="orderengine",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = ProblemApi(app)
    for unused in ("Error", "PaginationMetadata"):  # flask-smorest's own, referred to by nothing
        api.spec.components.schemas.pop(unused)
    return api
