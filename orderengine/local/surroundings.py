"""Where the command line finds the engine: the shell, `.env`, and the stack of this checkout."""

import os
from pathlib import Path

from orderengine.cli.common import Surroundings
from orderengine.local.environment import environment_of
from orderengine.local.runfile import api_url, live_run, state_folder

_CHECKOUT = Path(__file__).resolve().parents[2]


def surroundings(root: Path = _CHECKOUT) -> Surroundings:
    """The shell's settings over those of `.env`, over those of the stack that runs here.

    Raises LocalError for an `.env` that can not be read.
    """
    environ = environment_of(root, os.environ)
    running = live_run(state_folder(root))
    if running is not None:
        own = {
            "DATABASE_URL": running.database_url,
            "REDIS_URL": running.redis_url,
            "FLOWER_PORT": str(running.flower_port),
        }
        environ |= {name: url for name, url in own.items() if not environ.get(name)}
    return Surroundings(api_url(root, environ), environ)
