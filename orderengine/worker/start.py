"""The start of a worker with settings that cannot be used."""

import sys
from collections.abc import Callable

from orderengine.bootstrap.worker import WorkerPorts
from orderengine.config.settings import ConfigurationError


def started(runtime: Callable[[], WorkerPorts]) -> WorkerPorts:
    """The ports, for whichever step of a worker starts first.

    Ends the process after one line if they cannot be built: an exception would become a traceback.
    """
    try:
        return runtime()
    except ConfigurationError as error:
        sys.stderr.write(f"the worker is not started: {error}\n")
        raise SystemExit(1) from error
