"""`python -m orderengine`: the command line, told where this checkout's stack is."""

import os
import sys
from pathlib import Path

from orderengine.cli.common import Refusal, Surroundings
from orderengine.cli.main import main
from orderengine.local.environment import environment_of
from orderengine.local.errors import LocalError
from orderengine.local.runfile import api_url, live_run, state_folder

_CHECKOUT = Path(__file__).resolve().parents[1]


def surroundings() -> Surroundings:
    """The shell's settings over those of `.env`, over those of the stack that runs here.

    Raises LocalError for an `.env` that can not be read.
    """
    environ = environment_of(_CHECKOUT, os.environ)
    running = live_run(state_folder(_CHECKOUT))
    if running is not None:
        own = {"DATABASE_URL": running.database_url, "REDIS_URL": running.redis_url}
        environ |= {name: url for name, url in own.items() if not environ.get(name)}
    return Surroundings(api_url(_CHECKOUT, environ), environ)


def run() -> None:
    """Run the command of this process, and end it."""
    try:
        around = surroundings()
    except LocalError as error:
        refusal = Refusal(str(error))
        refusal.show()
        sys.exit(refusal.exit_code)
    main(obj=around, prog_name="orderengine", complete_var="_ORDERENGINE_COMPLETE")


if __name__ == "__main__":
    run()
