"""A client's command loads no server modules, so that it starts at once."""

import subprocess
import sys

from orderengine.config.settings import PACKAGE_DIR

CHECK = """
import sys
import orderengine.cli.main
servers = ("celery", "kombu", "redis", "sqlalchemy", "psycopg2", "flask", "orderengine.bootstrap")
print([name for name in sys.modules if any(f"{name}.".startswith(f"{each}.") for each in servers)])
"""


def test_a_command_loads_no_server_before_it_needs_one() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK],
        env={},
        cwd=PACKAGE_DIR.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
