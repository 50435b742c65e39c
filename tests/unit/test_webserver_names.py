"""The names inside gunicorn and simple-websocket that the web processes use.

They are no public interface of these libraries, so an upgrade may take any of them away. It then
fails here first: whoever upgrades compares this list with the new sources, and corrects both it
and `orderengine/webserver` or `orderengine/api/updates`.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
import simple_websocket.ws as websocket
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import body, errors
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

PRODUCT = Path(__file__).parents[2] / "orderengine"
SERVER = sorted((PRODUCT / "webserver").glob("*.py"))
SOCKETS = sorted((PRODUCT / "api" / "updates").glob("*.py"))

VERSIONS = {"gunicorn": "27.0.1", "simple-websocket": "1.1.0", "flask-sock": "0.7.0"}
"""The releases with which the lists below were compared."""

IMPORTED: Mapping[str, frozenset[str]] = {
    "gunicorn.glogging": frozenset({"Logger"}),
    "gunicorn.http.errors": frozenset(
        {
            *("ChunkMissingTerminator", "ExpectationFailed", "InvalidChunkExtension"),
            *("InvalidChunkSize", "InvalidHTTPVersion", "InvalidHeader", "InvalidHeaderName"),
            *("InvalidRequestLine", "InvalidRequestMethod", "InvalidResponseHeader"),
            *("InvalidResponseHeaderName", "LimitRequestHeaders", "LimitRequestLine"),
            *("ObsoleteFolding", "ParseException", "UnsupportedTransferCoding"),
        }
    ),
    "gunicorn.http.unreader": frozenset({"SocketUnreader"}),
    "gunicorn.workers.gthread": frozenset({"ThreadWorker"}),
}

OVERRIDDEN: Mapping[type, Mapping[str, str]] = {
    ThreadWorker: {
        "__init__": "(self, *args, **kwargs)",
        "accept": "(self, listener)",
        "enqueue_req": "(self, conn)",
        "finish_request": "(self, conn, fs)",
        "handle_error": "(self, req, client, addr, exc)",
        "handle_request": "(self, req, conn)",
        "load_wsgi": "(self)",
        "murder_pending": "(self)",
        "set_accept_enabled": "(self, enabled)",
    },
    SocketUnreader: {"__init__": "(self, sock, max_chunk=8192)", "chunk": "(self, size_hint=None)"},
    Logger: {"exception": "(self, msg, *args, **kwargs)", "setup": "(self, cfg)"},
    errors.ParseException: {},
    errors.InvalidHeader: {},
}
"""The classes that ours derive from, with the methods that ours replace."""

USED: Mapping[type, frozenset[str]] = {
    ThreadWorker: frozenset(
        {
            *("alive", "app", "cfg", "handle_error", "keepalived_conns", "log", "nr_conns"),
            *("on_pending_socket_readable", "pending_conns", "poller", "set_accept_enabled"),
            *("sockets", "worker_connections", "wsgi"),
        }
    ),
    TConn: frozenset(
        {
            *("client", "close", "data_ready", "init", "initialized", "parser"),
            *("set_timeout", "sock", "timeout"),
        }
    ),
    RequestParser: frozenset({"finish_body", "mesg", "unreader"}),
    Request: frozenset({"body", "force_close", "headers", "version"}),
    SocketUnreader: frozenset({"take_buffered", "unread"}),
    body.Body: frozenset({"failed"}),
    BaseApplication: frozenset({"wsgi"}),
    Logger: frozenset({"access_log", "error_log", "info"}),
    Config: frozenset({"keepalive", "loglevel", "worker_connections"}),
    websocket.Server: frozenset({"connected", "sock"}),
}
"""The methods and attributes that ours read, call or set."""

HELD_AS: Mapping[str, type] = {
    "worker": ThreadWorker,
    "conn": TConn,
    "oldest": TConn,
    "parser": RequestParser,
    "_parser": RequestParser,
    "mesg": Request,
    "req": Request,
    "unreader": SocketUnreader,
    "body": body.Body,
    "cfg": Config,
    "ws": websocket.Server,
}
"""What our code calls an object of each class."""

CONFIGURATION = "gunicorn_conf"
"""Reads the settings when it is imported, and has no class."""

OURS = {"counts", "leave", "begin"}
"""What ours add to these objects."""


def trees(paths: list[Path]) -> Iterator[ast.Module]:
    for path in paths:
        yield ast.parse(path.read_text("utf-8"))


def holder(node: ast.Attribute) -> str:
    """The last word before the dot: `parser` in `conn.parser.mesg`."""
    if isinstance(node.value, ast.Attribute):
        return node.value.attr
    return node.value.id if isinstance(node.value, ast.Name) else ""


def attributes(tree: ast.AST, name: str) -> set[str]:
    """The attributes of whatever has this name."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if holder(node) == name}


def names_of(kind: type) -> set[str]:
    """The methods of a class, and the attributes that it sets on itself."""
    found = set(dir(kind))
    for base in kind.__mro__[:-1]:
        found |= attributes(ast.parse(textwrap.dedent(inspect.getsource(base))), "self")
    return found | set(Config().settings) if kind is Config else found


def derived() -> Iterator[tuple[type, ast.ClassDef]]:
    """Our classes over gunicorn's, each with its base there."""
    for path in SERVER:
        if path.stem == CONFIGURATION:
            continue
        module = import_module(f"orderengine.webserver.{path.stem}")
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                for base in getattr(module, node.name).__mro__:
                    if base in OVERRIDDEN:
                        yield base, node
                        break


@pytest.mark.parametrize("name", VERSIONS)
def test_the_names_were_compared_with_the_installed_release(name: str) -> None:
    assert version(name) == VERSIONS[name], f"compare the lists of {__name__} with {name}"


@pytest.mark.parametrize("kind", USED, ids=lambda kind: str(kind.__name__))
def test_each_name_exists(kind: type) -> None:
    assert USED[kind] - names_of(kind) == set()


@pytest.mark.parametrize("kind", OVERRIDDEN, ids=lambda kind: str(kind.__name__))
def test_each_overridden_method_takes_the_same(kind: type) -> None:
    found = {name: str(inspect.signature(getattr(kind, name))) for name in OVERRIDDEN[kind]}
    assert found == OVERRIDDEN[kind]


def test_each_import_exists_and_is_listed() -> None:
    found: dict[str, frozenset[str]] = {}
    for tree in trees(SERVER):
        for node in ast.walk(tree):
            module = str(node.module) if isinstance(node, ast.ImportFrom) else ""
            if module.split(".")[0] == "gunicorn" and isinstance(node, ast.ImportFrom):
                found[module] = found.get(module, frozenset()) | {each.name for each in node.names}
    assert found == IMPORTED
    for module, names in IMPORTED.items():
        loaded = import_module(module)
        assert [name for name in names if not hasattr(loaded, name)] == []


def test_each_overridden_method_is_listed() -> None:
    replaced: dict[type, set[str]] = {kind: set() for kind in OVERRIDDEN}
    for base, node in derived():
        own = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
        replaced[base] |= own & set(dir(base)) - {"__str__"}
    listed = {kind: set(methods) for kind, methods in OVERRIDDEN.items()}
    assert replaced == listed


def test_each_name_that_is_used_is_listed() -> None:
    used: dict[type, set[str]] = {kind: set() for kind in USED}
    for tree in trees(SERVER + SOCKETS):
        for name, kind in HELD_AS.items():
            used[kind] |= attributes(tree, name) - OURS
    for base, node in derived():
        if base in USED:
            used[base] |= attributes(node, "self") & names_of(base)
    surplus = {kind: names - USED[kind] for kind, names in used.items()}
    assert {kind: names for kind, names in surplus.items() if names} == {}


def test_simple_websocket_opens_gunicorns_socket_with_the_thread_that_it_is_given() -> None:
    source = inspect.getsource(websocket.Server)
    assert "environ.get('gunicorn.socket')" in source
    assert "thread_class(target=self._thread)" in inspect.getsource(websocket.Base)
