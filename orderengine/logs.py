"""Logging: structlog for our lines and the libraries' alike; readable on a terminal, else JSON."""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_KEY_OR_TICKET = re.compile(r"(oe_[0-9a-f]{12}|oet)_[A-Za-z0-9_-]+")


def withhold_secrets(_logger: WrappedLogger, _method: str, line: str | EventDict) -> str:
    """Leave of a key or ticket in a finished line its id at most.

    Nobody logs one, but a client may send it where it does not belong: into a path, or into a
    header that is none, which gunicorn repeats.
    """
    return _KEY_OR_TICKET.sub(r"\1_[...]", str(line))


def configure_logging(level: str) -> None:
    """Send every log line of this process to standard error in one format.

    `level` is DEBUG, INFO, WARNING or ERROR.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shared, is_terminal=sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    if level != "DEBUG":
        # Two lines a task that say less than our own, and cost a tenth of a worker's time.
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(
    shared: list[Processor], *, is_terminal: bool
) -> structlog.stdlib.ProcessorFormatter:
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([] if is_terminal else [structlog.processors.format_exc_info]),
            renderer,
            withhold_secrets,
        ],
    )
