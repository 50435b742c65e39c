"""The internal names of libraries that the fast lane and the worker use, with locked versions.

An upgrade of a library that renames one fails here. After an upgrade: look at each name of that
library, then change the version here. Names that a library documents as options are not listed.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import orderengine.fastlane
from orderengine.config.settings import PACKAGE_DIR
from orderengine.dispatch import queue_order
from orderengine.worker import consumer, control, reading, requests

VERSIONS = {"celery": "5.7.0", "kombu": "5.7.0", "billiard": "4.3.2", "redis": "8.1.0"}

CELERY = {
    "celery:Celery": "send_task amqp AsyncResult steps connection_for_write connection_for_read",
    "celery:chain": "tasks",
    "celery.app.amqp:AMQP": "Consumer as_task_v2 _retry_publish",
    "celery.canvas:Signature": "immutable options args kwargs",
    "celery.bootsteps:StartStopStep": "name requires include_if start stop",
    "celery.concurrency.base": "apply_target",
    "celery.concurrency.base:BasePool": "limit app",
    "celery.concurrency.thread": "TaskPool ApplyResult",
    "celery.concurrency.thread:TaskPool": "on_apply executor",
    "celery.utils": "uuid",
    "celery.worker.consumer": "Consumer",
    "celery.worker.consumer:Consumer": "loop ensure_connected on_ready connection connection_errors"
    " on_connection_error_before_connected on_connection_error_after_connected hub pool timer"
    " on_unknown_message on_unknown_task on_invalid_task on_decode_error app apply_eta_task"
    " create_task_handler on_task_request qos",
    "celery.worker.consumer.events:Events": "event_dispatcher",
    "celery.worker.consumer.tasks": "Tasks",
    "celery.worker.consumer.tasks:Tasks": "task_consumer",
    "celery.worker.control": "Panel control_command",
    "celery.worker.control:Panel": "data",
    "celery.worker.loops": "asynloop synloop",
    "celery.worker.request:Request": "_body _content_type _content_encoding acknowledge reject"
    " acknowledged on_failure send_event time_start",
    "celery.worker.state": "maybe_shutdown task_ready",
}
KOMBU = {
    "kombu:Consumer": "no_ack channel",
    "kombu.asynchronous": "get_event_loop",
    "kombu.asynchronous.hub:Hub": "readers add_reader call_soon",
    "kombu.common": "ignore_errors",
    "kombu.connection:Connection": "_reraise_as_library_errors ensure_connection default_channel"
    " collect release close",
    "kombu.serialization": "dumps register",
    "kombu.transport.redis": "Channel Transport",
    "kombu.transport.redis:Channel": "Message _brpop_read _create_client _disconnect_pools _expires"
    " _flush_brpop_reauth _in_poll _lookup _put _queue_cycle active_queues body_encoding client"
    " conn_or_acquire connection connection_errors pool qos",
    "kombu.transport.redis:Transport": "Channel _deliver client connection_errors"
    " register_with_event_loop",
    "kombu.transport.virtual:QoS": "can_consume",
    "kombu.utils": "json",
    "kombu.utils.json": "loads",
    "kombu.utils.imports": "symbol_by_name",
    "kombu.utils.scheduling": "priority_cycle",
    "kombu.utils.scheduling:priority_cycle": "update rotate consume",
}
BILLIARD = {"billiard.einfo": "ExceptionWithTraceback"}
REDIS = {
    "redis:ConnectionPool": "make_connection",
    "redis:Connection": "can_read disconnect is_connected pid read_response send_command",
}
NAMES = {"celery": CELERY, "kombu": KOMBU, "billiard": BILLIARD, "redis": REDIS}
DOCUMENTED = {
    *("celery.Celery", "celery.chain", "celery.bootsteps", "celery.canvas.Signature"),
    *("celery.exceptions.Ignore", "celery.exceptions.InvalidTaskError", "celery.app.amqp.AMQP"),
    *("celery.worker.request.Request", "kombu.Consumer", "kombu.exceptions.OperationalError"),
    *("celery.concurrency.thread", "kombu.transport.redis"),
    *("redis.RedisError", "redis.exceptions.NoScriptError"),
}
"""Imports that are documented, or that are modules whose used names are listed above."""

IMPORT = re.compile(r"^\s*(from|import) orderengine\.fastlane", re.MULTILINE)
MODULES: list[ModuleType] = [
    *(
        importlib.import_module(f"orderengine.fastlane.{found.name}")
        for found in pkgutil.iter_modules(orderengine.fastlane.__path__)
    ),
    *(consumer, control, queue_order, reading, requests),
]


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


def tree_of(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


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


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_what_is_imported_is_listed(module: ModuleType) -> None:
    known = {f"{place.replace(':', '.')}.{name}" for place, name in listed()} | DOCUMENTED
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and node.module and of_library(node.module)
        for alias in node.names
    }
    assert imported <= known, imported - known


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
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
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
            elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                (own if isinstance(node.ctx, ast.Store) else used).add(node.attr)
    private = {name for name in used - own if not name.startswith("__")}
    known = {name for _, name in listed()}
    assert private <= known, private - known


def test_only_the_composition_root_imports_the_fast_lane() -> None:
    package = Path(orderengine.fastlane.__file__).parent
    importing = {
        path.relative_to(PACKAGE_DIR).as_posix()
        for path in PACKAGE_DIR.rglob("*.py")
        if package not in path.parents
        and re.search(
            r"^\s*(from|import) orderengine\.fastlane", path.read_text("utf-8"), re.MULTILINE
        )
    }
    assert importing == {"bootstrap/lanes.py"}
