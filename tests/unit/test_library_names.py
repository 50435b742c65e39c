"""The internal names of libraries that the worker and the dispatcher use, with locked versions.

An upgrade of a library that renames one fails here. After an upgrade: look at each name of that
library, then change the version here. Names that a library documents as options are not listed.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from orderengine.config.settings import PACKAGE_DIR
from orderengine.dispatch import app, queue_order
from orderengine.worker import consumer, control, pool, reading, requests

VERSIONS = {"celery": "5.7.0", "kombu": "5.7.0", "billiard": "4.3.2", "redis": "8.1.0"}

CELERY = {
    "celery:Celery": "connection_for_write connection_for_read producer_pool pool send_task",
    "celery:chain": "tasks",
    "celery:Task": "push_request pop_request resultrepr_maxsize throws",
    "celery.bootsteps:StartStopStep": "name requires start stop",
    "celery.concurrency.thread": "TaskPool ApplyResult",
    "celery.concurrency.thread:TaskPool": "on_apply num_processes",
    "celery.concurrency.thread:ApplyResult": "f",
    "celery.utils.saferepr": "saferepr",
    "celery.utils.time": "get_exponential_backoff_interval",
    "celery.worker.consumer": "Consumer",
    "celery.worker.consumer:Consumer": "loop ensure_connected on_ready connection connection_errors"
    " on_connection_error_before_connected on_connection_error_after_connected hub pool timer"
    " on_unknown_message on_unknown_task on_invalid_task on_decode_error app apply_eta_task"
    " create_task_handler on_task_request qos",
    "celery.worker.consumer.events:Events": "event_dispatcher",
    "celery.events:EventDispatcher": "send",
    "celery.worker.consumer.tasks": "Tasks",
    "celery.worker.consumer.tasks:Tasks": "task_consumer",
    "celery.worker.control": "Panel control_command",
    "celery.worker.control:Panel": "data",
    "celery.worker.loops": "asynloop synloop",
    "celery.worker.request:Request": "on_failure send_event time_start",
    "celery.worker.state": "maybe_shutdown task_ready",
}
KOMBU = {
    "kombu.asynchronous": "get_event_loop",
    "kombu.asynchronous.hub:Hub": "call_soon call_repeatedly",
    "kombu.common": "ignore_errors",
    "kombu.connection:Connection": "ensure_connection collect close",
    "kombu.messaging:Consumer": "channel",
    "kombu.messaging:Producer": "batch",
    "kombu.transport.redis:Channel": "Message client",
    "kombu.utils.json": "loads",
    "kombu.utils.scheduling": "priority_cycle",
    "kombu.utils.scheduling:priority_cycle": "update",
}
BILLIARD = {"billiard.einfo": "ExceptionWithTraceback"}
NAMES = {"celery": CELERY, "kombu": KOMBU, "billiard": BILLIARD}
DOCUMENTED = {
    *("celery.Celery", "celery.Task", "celery.chain", "celery.bootsteps", "celery.signals"),
    *("celery.canvas.Signature", "celery.exceptions.Ignore", "celery.exceptions.InvalidTaskError"),
    *("celery.exceptions.Reject", "celery.exceptions.Retry"),
    *("celery.utils.uuid", "celery.utils.dispatch.Signal"),
    *(
        "celery.worker.request.Request",
        "kombu.exceptions.LimitExceeded",
        "kombu.exceptions.BatchPublishError",
    ),
    *("kombu.exceptions.OperationalError", "celery.concurrency.thread", "redis.RedisError"),
}
"""Imports that are documented, or that are modules whose used names are listed above."""

SOURCES = [path for name in ("dispatch", "worker") for path in (PACKAGE_DIR / name).glob("*.py")]
DERIVING: list[ModuleType] = [app, consumer, control, pool, queue_order, reading, requests]
"""The modules whose classes derive from those of a library."""


def listed() -> Iterator[tuple[str, str]]:
    """Each place with each of its names."""
    for places in NAMES.values():
        for place, names in places.items():
            for name in names.split():
                yield place, name


def at(place: str) -> object:
    """A module, or a class of one."""
    module, _, owner = place.partition(":")
    found = importlib.import_module(module)
    return getattr(found, owner) if owner else found


def has(owner: object, name: str) -> bool:
    """Whether a module or class has this name, or the class sets it on an instance.

    A step of a worker's consumer sets its names on the consumer, `c`.
    """
    if hasattr(owner, name):
        return True
    if not isinstance(owner, type):
        return False
    bases = [base for base in owner.__mro__ if base not in {object, dict}]
    return any(re.search(rf"\b(self|c)\.{name}\b.*=", inspect.getsource(base)) for base in bases)


def tree_of(source: Path) -> ast.Module:
    return ast.parse(source.read_text("utf-8"))


def of_library(name: str) -> bool:
    return name.partition(".")[0] in VERSIONS


@pytest.mark.parametrize("library", VERSIONS)
def test_the_names_are_those_of_the_locked_version(library: str) -> None:
    assert version(library) == VERSIONS[library]
    lock = (PACKAGE_DIR.parent / "requirements.txt").read_text("utf-8")
    assert re.search(rf"^{library}(\[\w+\])?=={re.escape(VERSIONS[library])} ", lock, re.MULTILINE)


@pytest.mark.parametrize("library", NAMES)
def test_the_library_has_each_name(library: str) -> None:
    for place, names in NAMES[library].items():
        gone = [name for name in names.split() if not has(at(place), name)]
        assert gone == [], place


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_what_is_imported_is_listed(source: Path) -> None:
    known = {f"{place.replace(':', '.')}.{name}" for place, name in listed()} | DOCUMENTED
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree_of(source))
        if isinstance(node, ast.ImportFrom) and node.module and of_library(node.module)
        for alias in node.names
    }
    assert imported <= known, imported - known


@pytest.mark.parametrize("module", DERIVING, ids=lambda module: module.__name__)
def test_what_is_overridden_is_listed(module: ModuleType) -> None:
    known = {name for _, name in listed()}
    for owner in vars(module).values():
        if not isinstance(owner, type) or owner.__module__ != module.__name__:
            continue
        libraries = [base for base in owner.__mro__ if of_library(base.__module__)]
        for name in vars(owner):
            if any(name in vars(base) for base in libraries) and not name.startswith("__"):
                assert name in known, f"{owner.__name__}.{name}"


def test_what_is_private_to_a_library_is_listed() -> None:
    """A private name that no module of ours defines or sets belongs to a library."""
    used: set[str] = set()
    own: set[str] = set()
    for source in SOURCES:
        for node in ast.walk(tree_of(source)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
            elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                if isinstance(node.value, ast.Name) and node.value.id == "os":
                    continue  # Python's own
                (own if isinstance(node.ctx, ast.Store) else used).add(node.attr)
    private = {name for name in used - own if not name.startswith("__")}
    known = {name for _, name in listed()}
    assert private <= known, private - known
