"""A worker loads its own code, no modules that serve HTTP, and the fast lane only if it is on."""

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
NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}


PROGRAMS = {
    "worker": "import orderengine.worker.app",
    "web": "from orderengine.api.app import create_app; create_app()",
}


def run_python(code: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**NOWHERE, **environ},
        cwd=PACKAGE_DIR.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_worker_loads_without_its_servers_and_loads_nothing_of_the_web() -> None:
    assert run_python(CHECK) == "[]"


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_the_fast_lane_no_program_loads_it(program: str) -> None:
    check = 'import sys; print([name for name in sys.modules if "fastlane" in name])'
    assert run_python(f"{PROGRAMS[program]}\n{check}", AUTH="off", FAST_LANE="0") == "[]"
