"""The documentation of the API: Swagger UI from bundled files, and the WebSocket's description."""

from flask import Blueprint, Response, jsonify, request, send_from_directory

from orderengine.api.context import current_ports
from orderengine.api.description.asyncapi import asyncapi_document
from orderengine.config.settings import PACKAGE_DIR

FOLDER = PACKAGE_DIR / "api" / "swagger_ui"
SERVED = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "init.js": "text/javascript",
}

# Swagger UI writes styles into its elements, and draws its icons from data URLs.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)

blueprint = Blueprint("documentation", __name__)


@blueprint.get("/docs")
def get_docs() -> Response:
    """Show the API, to be tried out in the browser."""
    return _file("index.html", "text/html; charset=utf-8")


@blueprint.get("/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js', 'init.js'):name>")
def get_docs_file(name: str) -> Response:
    """A part of that page."""
    return _file(name, SERVED[name])


@blueprint.get("/asyncapi.json")
def get_asyncapi() -> Response:
    """Describe the WebSocket, as `/openapi.json` does the rest."""
    ports = current_ports()
    described = asyncapi_document(
        request.host, is_secure=request.is_secure, asks_for_keys=ports.authenticator.asks_for_keys
    )
    return jsonify(described)


def _file(name: str, content_type: str) -> Response:
    answer = send_from_directory(FOLDER, name, conditional=True)
    answer.content_type = content_type
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Cache-Control"] = "no-cache"
    return answer
