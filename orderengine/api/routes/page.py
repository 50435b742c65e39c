"""Serves the live page: static files without a build step, under a content security policy."""

import re

from flask import Blueprint, Response, request, send_from_directory

from orderengine.config.settings import PACKAGE_DIR

STATIC_DIR = PACKAGE_DIR / "api" / "static"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

blueprint = Blueprint("page", __name__)


@blueprint.get("/", strict_slashes=False)  # or a target without a path would be redirected
def get_page() -> Response:
    """Serve the page; which order it shows is read by itself from `?order=`."""
    return _file("index.html")


@blueprint.get("/static/<path:name>")
def get_static(name: str) -> Response:
    """Serve a file of the page."""
    return _file(name)


@blueprint.after_request
def _restrict(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = content_policy(request.host)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def content_policy(host: str) -> str:
    """The page's content security policy: files and sockets of this host, and nothing inline.

    Browsers before 2023 do not count sockets as `'self'`, so the policy also names the host, unless
    the host's text could change the policy.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return _POLICY.format(connect=f"'self'{sockets}")


def _file(name: str) -> Response:
    # Set here: the system's table of types may be wrong, and nosniff forbids browsers to guess.
    suffix = name[name.rfind(".") :] if "." in name else ""
    answer = send_from_directory(STATIC_DIR, name, mimetype=_TYPES.get(suffix, "text/plain"))
    # The browser revalidates its copy each time, so that a new release shows at once.
    answer.headers["Cache-Control"] = "no-cache"
    return answer
