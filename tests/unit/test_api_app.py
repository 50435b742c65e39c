"""The application factory, called as a server does: with the environment alone, unconnected."""

import subprocess
import sys

import pytest

from orderengine.api.app import create_app
from orderengine.config.settings import PACKAGE_DIR, ConfigurationError, Settings

CHECK = """
import logging, sys
from orderengine.api.app import create_app
app = create_app()
assert app.test_client().get("/livez").get_json() == {"status": "ok"}
assert not app.debug
assert not logging.getLogger().handlers, "logging is the server's to set up"
chain = [f"orderengine.execution.chain.{each}" for each in ("stages", "recovery")]
parts = ("orderengine.worker", *chain)
print([name for name in sys.modules if name.startswith(parts)])
"""
NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
OPEN = {"AUTH": "off"}


def run(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK],
        env=environ,
        cwd=PACKAGE_DIR.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_web_process_starts_without_its_servers_and_loads_no_code_of_the_workers() -> None:
    done = run(NOWHERE | OPEN)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


def test_no_variable_of_flask_or_django_changes_a_web_process() -> None:
    foreign = {"FLASK_DEBUG": "1", "FLASK_APP": "other", "DJANGO_SETTINGS_MODULE": "other.settings"}
    done = run(NOWHERE | OPEN | foreign)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "AUTH must be set to required, or to off, when HOST is 0.0.0.0"),
        (
            {"HOST": "127.0.0.1", "PROXY_HOPS": "1"},
            "AUTH must be set to required, or to off, when PROXY_HOPS is 1",
        ),
        ({"AUTH": "required"}, None),
        ({"HOST": "127.0.0.1"}, None),
    ],
)
def test_a_web_process_that_others_can_reach_starts_only_when_it_was_decided_who_may(
    environ: dict[str, str], told: str | None
) -> None:
    settings = Settings.from_env(NOWHERE | environ)
    if told is None:
        assert create_app(settings=settings).test_client().get("/livez").status_code == 200
        return
    with pytest.raises(ConfigurationError, match=told):
        create_app(settings=settings)


def test_a_web_process_without_settings_says_which_one_is_missing() -> None:
    done = run({})
    assert done.returncode != 0
    assert "DATABASE_URL must be set" in done.stderr
