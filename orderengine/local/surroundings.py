"""Finds the engine for the command line: by the shell, `.env`, and the stack of this checkout."""

import os
from pathlib import Path

from orderengine.cli.common import Surroundings
from orderengine.local.environment import environment_of, forget_libpq
from orderengine.local.files import denied
from orderengine.local.runfile import api_url, load_run, state_folder

_CHECKOUT = Path(__file__).resolve().parents[2]
_START = "make run"


def surroundings(root: Path = _CHECKOUT) -> Surroundings:
    """The shell's settings over those of `.env`, over those of the stack that runs here.

    Raises LocalError for an `.env` that can not be read.
    """
    environ = environment_of(root, os.environ)
    forget_libpq(environ, os.environ)
    folder = state_folder(root)
    try:
        run = load_run(folder)
    except PermissionError as error:
        return Surroundings(environ=environ, trouble=denied(Path(error.filename or folder)))
    if run is not None and not run.supervisor.is_running():
        # If something answers at its address now, it is another stack.
        trouble = f"the stack of this checkout died with its supervisor: start it with {_START}"
        return Surroundings(api_url(root, environ), environ, trouble=trouble)
    if run is None:
        note = "no stack runs in this checkout"
        return Surroundings(api_url(root, environ), environ, note=note)
    own = {
        "DATABASE_URL": run.database_url,
        "REDIS_URL": run.redis_url,
        "FLOWER_PORT": str(run.flower_port),
    }
    environ |= {name: url for name, url in own.items() if not environ.get(name)}
    return Surroundings(run.api_url, {**environ, **run.localnet})
