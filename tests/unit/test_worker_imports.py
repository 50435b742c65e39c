"""A worker loads its own code, and no modules that serve HTTP."""

import subprocess
import sys

import pytest

from orderengine.config.settings import PACKAGE_DIR

CHECK = """
import sys
import orderengine.worker.app
web = ("flask", "flask_smorest", "flask_sock", "gunicorn", "marshmallow")
web += ("orderengine.api", "orderengine.webserver")
print([name for name in sys.modules if any(f"{name}.".startswith(f"{each}.") for each in web)])
"""
LOGGING = """
import sys
import {}
import structlog
print([name for name in sys.modules if name.partition(".")[0] in ("rich", "pygments")])
import rich
"""
NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=NOWHERE,
        cwd=PACKAGE_DIR.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_worker_loads_without_its_servers_and_loads_nothing_of_the_web() -> None:
    assert run_python(CHECK) == "[]"


@pytest.mark.parametrize(
    "modules",
    [
        "orderengine.worker.app",
        "orderengine.worker.flower",
        "orderengine.webserver, orderengine.api.app, orderengine.bootstrap.web",
    ],
)
def test_no_server_loads_what_shows_tracebacks_in_color(modules: str) -> None:
    assert run_python(LOGGING.format(modules)) == "[]"
