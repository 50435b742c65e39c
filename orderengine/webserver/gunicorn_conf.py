"""gunicorn's configuration: `gunicorn --config python:orderengine.webserver.gunicorn_conf`.

The only module that reads the settings when it is imported, as gunicorn's configuration must. It
also loads all code of a web process, so that the processes share what the master has loaded.
"""

import signal
import sys
import threading
from typing import Any

import structlog
from gunicorn.http.errors import ParseException

import orderengine.api.app
import orderengine.bootstrap.web  # noqa: F401 - see above
from orderengine.api.context import ports_of
from orderengine.api.routes.health import tell_what_is_missing
from orderengine.api.updates.entrance import EXTENSION as UPDATES
from orderengine.api.updates.prefer_wait import EXTENSION as HELD_ANSWERS
from orderengine.bootstrap.network import require_network
from orderengine.config.addresses import obstacle_to_listen
from orderengine.config.settings import WEB_OPTIONS, ConfigurationError, Settings, refuse_overruling
from orderengine.process import memory
from orderengine.process.logs import tell_ignored
from orderengine.webserver import head_reading_worker
from orderengine.webserver.capacity_worker import HTTP_THREADS
from orderengine.webserver.descriptors import fit_within_limit
from orderengine.webserver.logger import StructuredLogger
from orderengine.webserver.metrics_table import GAUGES, PROCESSES, SAMPLES, MetricsTable
from orderengine.webserver.problem_worker import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    ProblemWorker,
    refuse_body,
)

IDLE_CONNECTIONS = 1000

LEAVE_S = 5.0
"""How long a process that ends waits for the clients of its sockets to close their sides."""

SWITCH_S = 0.001
"""How long a thread may compute while other threads wait. Placing an order waits for PostgreSQL or
Redis a dozen times, and must not wait for the thread of a long list after each."""


def on_starting(_server: Any) -> None:
    """Log what is ignored and what does not fit, once, before any process serves."""
    tell_ignored(_settings.ignored)
    if _fit.sockets < _settings.ws_max_sockets:
        log.warning(
            "fewer_sockets",
            served=_fit.sockets,
            wanted=_settings.ws_max_sockets,
            reason="the limit of open files is too low (ulimit -n)",
        )


def pre_fork(_server: Any, worker: Any) -> None:
    """Share what is loaded with a process that is about to start, and give it a row of counts."""
    # A collection writes to each object that it visits, and so copies its page.
    memory.freeze_loaded_objects()
    worker.counts = _counts.take_row()
    worker.leave = lambda: None  # nobody has come yet


def child_exit(_server: Any, worker: Any) -> None:
    """Take back the row of a process that has ended."""
    if worker.counts is not None:
        _counts.give_back(worker.counts)


def post_worker_init(worker: Any) -> None:
    """Bound waits for clients, refuse malformed bodies, and leave nothing behind at the end."""
    sys.setswitchinterval(SWITCH_S)
    for listener in worker.sockets:
        # Otherwise a slow client holds the thread that reads its body or writes its answer.
        head_reading_worker.limit_waits(listener, head_reading_worker.REQUEST_TIMEOUT_S)
    app = worker.app.wsgi()
    app.register_error_handler(ParseException, refuse_body)
    updates = app.extensions[UPDATES]
    updates.draining = lambda: not worker.alive
    updates.slots.limit = _fit.sockets
    leaving = [app.extensions[name] for name in (UPDATES, HELD_ANSWERS) if name in app.extensions]
    ports = ports_of(app)
    if ports is not None:
        leaving.append(ports.starter)
    worker.leave = lambda: [each.leave(LEAVE_S) for each in leaving]
    if worker.counts is not None:
        updates.metrics.share(worker.counts)
    if ports is not None:
        # In a thread: a probe of a server that is down may take seconds.
        threading.Thread(target=tell_what_is_missing, args=[ports.probes], daemon=True).start()
    memory.freeze_loaded_objects()
    memory.collect_fully_by_the_clock()


def on_exit(_server: Any) -> None:
    """Ignore a repeated SIGTERM, which would kill the interpreter while it shuts down."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def worker_exit(server: Any, worker: Any) -> None:
    """Part from the clients of sockets, start what is left, and ignore a repeated SIGTERM."""
    on_exit(server)
    worker.leave()


def _bind(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _require_host(host: str) -> None:
    if why := obstacle_to_listen(host):
        message = f"HOST is {host} ({why}): set it to an address of this machine, such as 127.0.0.1"
        raise ConfigurationError(message)


refuse_overruling(WEB_OPTIONS)
_settings = Settings.from_env()
log = structlog.get_logger(__name__)
_require_host(_settings.host)
require_network(_settings)
_counts = MetricsTable(SAMPLES, PROCESSES, GAUGES)

# Raises ConfigurationError, before anything listens, if AUTH must be decided and is not.
asks_for_keys = _settings.asks_for_keys

bind = _bind(_settings.host, _settings.port)
worker_class = ProblemWorker
threads = HTTP_THREADS
_fit = fit_within_limit(_settings.ws_max_sockets, IDLE_CONNECTIONS, threads)
worker_connections = _fit.connections
keepalive = 75  # longer than the idle time of the usual load balancers, which is 60 s
graceful_timeout = 15
control_socket_disable = True
# Set here, so that the environment's FORWARDED_ALLOW_IPS has no effect: PROXY_HOPS says which
# proxies to trust.
forwarded_allow_ips = "127.0.0.1,::1"
# Python's sendfile waits without limit for a slow peer, whatever the socket's timeout.
sendfile = False
limit_request_line = head_reading_worker.MAX_LINE_BYTES
limit_request_fields = MAX_HEADERS
limit_request_field_size = MAX_HEADER_BYTES
loglevel = _settings.log_level.lower()
logger_class = StructuredLogger
