"""The ports that the views of one application share."""

from typing import TYPE_CHECKING, cast

from flask import Flask, current_app

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts

_EXTENSION = "orderengine"


def share_ports(app: Flask, ports: "WebPorts") -> None:
    """Give the views of this application their ports."""
    app.extensions[_EXTENSION] = ports


def ports_of(app: Flask) -> "WebPorts | None":
    """The ports of an application, or None if it has none."""
    return cast("WebPorts | None", app.extensions.get(_EXTENSION))


def current_ports() -> "WebPorts":
    """The ports of the application that serves this request."""
    return cast("WebPorts", current_app.extensions[_EXTENSION])
