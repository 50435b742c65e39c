"""gunicorn's own log lines, in the format of all others."""

import sys
from typing import Any

from gunicorn.glogging import Logger

from orderengine.process.logs import configure_logging


class StructuredLogger(Logger):
    """Writes gunicorn's log lines in the format of all others."""

    def setup(self, cfg: Any) -> None:
        """Pass every line on to the root logger."""
        super().setup(cfg)
        configure_logging(cfg.loglevel.upper())
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log a failure. A client that does not read its answer is not one."""
        if isinstance(sys.exception(), BlockingIOError):
            self.info("A client did not read its answer in time.")
        else:
            super().exception(msg, *args, **kwargs)
