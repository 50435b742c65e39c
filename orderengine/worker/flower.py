"""Celery Flower on the engine's broker: `python -m orderengine.worker.flower`.

This module replaces `celery flower`: it checks the address before it listens, keeps the password
off the command line, and loads none of the worker's code. Flower learns the task names from the
workers. FLOWER_… variables still set its other options.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog

from orderengine.config.settings import ConfigurationError, FlowerSettings
from orderengine.dispatch.app import create_celery
from orderengine.process.logs import configure_logging, tell_ignored
from orderengine.redis.check import look

log = structlog.get_logger(__name__)

EXIT_REFUSED = 2
MULTIPROCESS = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
"""Another service's directory for metrics of several processes: with it Flower drops events."""

COLUMNS = "name,args,state,received,started,runtime,retries,worker"
"""The columns of the task list unless FLOWER_TASKS_COLUMNS is set; `args` holds the order."""


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns 2 for settings that it refuses."""
    try:
        settings = FlowerSettings.from_env()
    except ConfigurationError as error:
        print(f"flower is not started: {error}", file=sys.stderr)  # noqa: T201 - no log yet
        return EXIT_REFUSED
    configure_logging(settings.log_level)
    tell_ignored(settings.ignored)
    flower = make_flower(settings)
    _stop_on_signals(lambda: flower.io_loop.add_callback_from_signal(flower.io_loop.stop))
    threading.Thread(target=_tell_trouble, args=[settings.redis_url], daemon=True).start()
    flower.start_http_server()
    flower.start()
    flower.stop()
    logging.shutdown()
    # Flower's threads wait for a missing broker without limit, and a normal exit waits for them.
    os._exit(0)


def _tell_trouble(redis_url: str) -> None:
    """Report a broker fault once; Flower itself reports it again at every request."""
    trouble = look(redis_url)
    if trouble is not None:
        log.warning(
            "degraded",
            setting="REDIS_URL",
            missing="redis",
            cause=trouble.cause.value,
            error=str(trouble),
        )


def make_flower(settings: FlowerSettings) -> Any:
    """Make the server with its options set; it listens and connects to nothing yet."""
    for name in MULTIPROCESS:
        os.environ.pop(name, None)
    from flower import command  # type: ignore[import-untyped]
    from flower.app import Flower  # type: ignore[import-untyped]
    from flower.urls import settings as pages  # type: ignore[import-untyped]

    options = command.options
    options.tasks_columns = COLUMNS
    command.apply_env_options()
    # Set after Flower read the environment: an empty FLOWER_BASIC_AUTH would lock everybody out.
    options.basic_auth = list(settings.basic_auth)
    options.address, options.port = settings.host, settings.port
    command.extract_settings()
    command.setup_logging()
    return Flower(capp=create_celery(settings.redis_url), options=options, **pages)


def _stop_on_signals(stop: Callable[[], None]) -> None:
    """Stop at the first SIGTERM or SIGINT; a host may send more, which are ignored."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


if __name__ == "__main__":
    sys.exit(main())
