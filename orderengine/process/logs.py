"""Logging: structlog for our lines and the libraries'; readable on a terminal, else JSON."""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from orderengine.process.log_output import log_output

_KEY_OR_TICKET = re.compile(r"(oe_[0-9a-f]{12}|oet)_[A-Za-z0-9_-]+")
_SHORTEST_SECRET = 8
_withheld: tuple[str, ...] = ()


def withhold(secrets: Iterable[str]) -> None:
    """Redact these texts in all lines that follow; very short ones stay, being ordinary words."""
    global _withheld  # noqa: PLW0603 - the processors of this process share them
    known = {each for each in secrets if len(each) >= _SHORTEST_SECRET}
    _withheld = tuple(sorted(known | set(_withheld), key=len, reverse=True))


def withhold_secrets(_logger: WrappedLogger, _method: str, line: str | EventDict) -> str:
    """Redact keys, tickets and the texts of `withhold` in a finished line; a key's id stays.

    The engine logs none, but a client may send one in the wrong place, such as a path or a
    malformed header, which gunicorn repeats, and libraries write URLs at DEBUG.
    """
    written = str(line)
    for secret in _withheld:
        written = written.replace(secret, "[...]")
    return _KEY_OR_TICKET.sub(r"\1_[...]", written)


class _Lines:
    """Writes our finished lines to the libraries' handler, without a log record for each."""

    def __init__(self, name: str, handler: "logging.StreamHandler[Any]") -> None:
        self.name = name
        self._handler = handler

    def msg(self, line: str) -> None:
        handler = self._handler
        handler.acquire()  # a fork renews this lock
        try:
            handler.stream.write(f"{line}\n")
            handler.flush()
        except (OSError, ValueError):
            pass  # nobody reads the log, which must not stop the caller
        finally:
            handler.release()

    debug = info = warning = error = critical = msg


def tell_ignored(variables: Iterable[str]) -> None:
    """Log each variable that is set but ignored; for an address of a broker, the one used."""
    log = structlog.get_logger(__name__)
    for name in variables:
        used = {"broker": "REDIS_URL"} if "BROKER" in name else {}
        log.warning("variable_ignored", variable=name, **used)


def configure_logging(level: str) -> None:
    """Send every log line of this process to standard error in one format.

    `level` is DEBUG, INFO, WARNING or ERROR.
    """
    handler = logging.StreamHandler(log_output(sys.stderr, _dropped))
    is_terminal = sys.stderr.isatty()
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    written = [*_renderers(is_terminal=is_terminal), withhold_secrets]
    structlog.configure(
        processors=[*common, *written],
        logger_factory=lambda name: _Lines(name, handler),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    if level != "DEBUG":
        # Two lines per task that say less than ours, and take a tenth of a worker's time.
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(*, is_terminal: bool) -> list[Processor]:
    if is_terminal:
        plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        # On a copy, because the renderer empties it.
        return [_Unbroken(lambda logger, method, event: plain(logger, method, dict(event)))]
    return [structlog.processors.format_exc_info, _Unbroken(_as_json)]


class _Unbroken:
    """Writes a line even if rendering fails: logging must not stop the caller."""

    def __init__(self, render: Processor) -> None:
        self._render = render

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> Any:
        try:
            return self._render(logger, method, event)
        except Exception as error:  # noqa: BLE001 - see above
            event["unwritable"] = type(error).__name__
            formatted = structlog.processors.format_exc_info(logger, method, event)
            return _encode({name: _shown(value) for name, value in formatted.items()})


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - see above
        return f"<{type(error).__name__}>"


# Escapes everything beyond ASCII: no value can start a new line, or color a terminal.
_encode = json.JSONEncoder(default=repr).encode


def _dropped(count: int) -> str:
    line = {"count": count, "event": "log_lines_dropped", "level": "warning", "logger": __name__}
    return _encode({**line, "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"})


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _encode(event)
