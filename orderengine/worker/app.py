"""The module that `celery -A orderengine.worker.app` loads: the application with its tasks."""

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from celery import Celery, signals

from orderengine.bootstrap.worker import WorkerPorts, build_worker
from orderengine.config.settings import (
    WORKER_OPTIONS,
    ConfigurationError,
    Settings,
    refuse_overruling,
    wallet_key,
)
from orderengine.dispatch.app import EngineCelery, create_celery
from orderengine.dispatch.improper import Reason, message_dropped
from orderengine.execution.chain.slots import Slots
from orderengine.execution.operations.counters import CounterName
from orderengine.process import memory
from orderengine.process.logs import configure_logging, tell_ignored, withhold
from orderengine.worker.control import register_commands
from orderengine.worker.inline_chain import InlineChain
from orderengine.worker.pool import look_again, wake_loop
from orderengine.worker.reading import checked_reading_step
from orderengine.worker.reconciler import reconciler_step
from orderengine.worker.task_events import TaskEvents, task_events_step
from orderengine.worker.tasks import register_tasks
from orderengine.worker.unheld_network import UnheldNetwork
from orderengine.worker.watcher import watcher_step

LOOP_WAIT_S = 0.05


class Runtime:
    """A worker process's ports, built at the first call, in the process that uses them."""

    def __init__(self, settings: Settings, app: EngineCelery, slots: Slots) -> None:
        self._settings = settings
        self._app = app
        self._slots = slots
        self._lock = threading.Lock()
        self._ports: WorkerPorts | None = None

    def __call__(self) -> WorkerPorts:
        """Return the ports; raises ConfigurationError for a bad setting or instrument file."""
        with self._lock:
            if self._ports is None:
                self._ports = self._build()
            return self._ports

    def _build(self) -> WorkerPorts:
        ports = build_worker(self._settings, self._app)
        if self._settings.solana is None:
            return ports
        network = UnheldNetwork(ports.engine.network, self._slots)
        return replace(ports, engine=replace(ports.engine, network=network))


def create_worker_app(settings: Settings) -> Celery:
    """Make the worker's application; PostgreSQL and Redis are first used when the worker starts."""
    if settings.solana is not None:
        memory.forbid_dumps()
        withhold([*settings.solana.secrets, *wallet_key().secrets])
    app = create_celery(settings.redis_url)
    slots = Slots(settings.order_concurrency, freed=wake_loop)
    runtime = Runtime(settings, app, slots)
    events = TaskEvents()
    inline = InlineChain(events)
    register_tasks(app, lambda: runtime().engine, slots, inline)
    _forget_tasks_of_celery(app)
    register_commands()
    app.steps["worker"].add(reconciler_step(runtime))
    app.steps["worker"].add(watcher_step(runtime))
    app.steps["consumer"].add(checked_reading_step(slots))
    app.steps["consumer"].add(task_events_step(events))
    message_dropped.connect(_count_dropped(runtime), weak=False)
    signals.setup_logging.connect(_setup_logging(settings), weak=False)
    signals.worker_ready.connect(_set_heap_aside)
    signals.worker_ready.connect(_bound_waits_of_loop)
    signals.worker_shutting_down.connect(_ignore_repeated_sigterm)
    signals.worker_shutting_down.connect(lambda **_: inline.close(), weak=False)
    return app


def _count_dropped(runtime: Runtime) -> Callable[..., None]:
    def count(reason: Reason, **_: Any) -> None:
        runtime().engine.metrics.count(CounterName.MESSAGES_DROPPED, reason.value)

    return count


def _forget_tasks_of_celery(app: Celery) -> None:
    """Unregister Celery's own tasks, which anybody who can send a message could run."""
    for name in [name for name in app.tasks if name.startswith("celery.")]:
        app.tasks.unregister(name)


def _setup_logging(settings: Settings) -> Callable[..., None]:
    def configure(**_: Any) -> None:
        configure_logging(settings.log_level)
        tell_ignored(settings.ignored)

    return configure


def _set_heap_aside(**_: Any) -> None:
    memory.freeze_loaded_objects()


def _bound_waits_of_loop(sender: Any, **_: Any) -> None:
    # The pool's wake-up can be missed while the broker's connections are reopened. Without this
    # timer the loop would then look for a free thread only once a second.
    sender.hub.call_repeatedly(LOOP_WAIT_S, look_again)


def _ignore_repeated_sigterm(**_: Any) -> None:
    # The first SIGTERM drains; another one during the interpreter's exit would kill it half-way.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


try:
    refuse_overruling(WORKER_OPTIONS)
    app = create_worker_app(Settings.from_env())
except ConfigurationError as error:
    sys.exit(f"the worker is not started: {error}")  # one line, like web and Flower
