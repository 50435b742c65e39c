"""`python -m orderengine`: the command line, with the addresses of this checkout's stack."""

import sys

from orderengine.cli.common import Refusal
from orderengine.cli.main import main
from orderengine.local.errors import LocalError
from orderengine.local.surroundings import surroundings
from orderengine.process.logs import configure_logging


def run() -> None:
    """Run the command of this process, and exit."""
    configure_logging("ERROR")  # the command itself reports a failure, in one line
    try:
        around = surroundings()
    except LocalError as error:
        refusal = Refusal(str(error))
        refusal.show()
        sys.exit(refusal.exit_code)
    main(obj=around, prog_name="orderengine", complete_var="_ORDERENGINE_COMPLETE")


if __name__ == "__main__":
    run()
