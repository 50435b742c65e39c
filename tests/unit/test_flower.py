"""Flower's settings, and its refusal to be open to everybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orderengine.config.settings import ConfigurationError, FlowerSettings
from orderengine.local.procfile import parse_procfile
from orderengine.worker.flower import main

ROOT = Path(__file__).parents[2]
REDIS = {"REDIS_URL": "redis://:secret@h:6379/0"}


def test_flower_listens_on_loopback_by_itself() -> None:
    settings = FlowerSettings.from_env(REDIS)
    assert (settings.host, settings.port, settings.basic_auth) == ("127.0.0.1", 5555, ())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_password(host: str) -> None:
    assert FlowerSettings.from_env({**REDIS, "FLOWER_HOST": host}).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "flower.internal"])
@pytest.mark.parametrize("auth", [{}, {"FLOWER_BASIC_AUTH": " "}])
def test_any_other_address_needs_one(host: str, auth: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=f"FLOWER_BASIC_AUTH .* {host}"):
        FlowerSettings.from_env({**REDIS, "FLOWER_HOST": host, **auth})


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("me:secret", ("me:secret",)),
        ("me:se:cret", ("me:se:cret",)),
        ("me:secret, you:other", ("me:secret", "you:other")),
        ("B0jrphAPOY7pg92A+0c/KFUk=", ("flower:B0jrphAPOY7pg92A+0c/KFUk=",)),
    ],
)
def test_users_are_read_and_a_generated_password_is_given_one(
    text: str, users: tuple[str, ...]
) -> None:
    environ = {**REDIS, "FLOWER_HOST": "0.0.0.0", "FLOWER_BASIC_AUTH": text}
    assert FlowerSettings.from_env(environ).basic_auth == users


@pytest.mark.parametrize("text", ["me:", ":secret", "me:sec,ret", "me:secret,", ","])
def test_credentials_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="user:password"):
        FlowerSettings.from_env({**REDIS, "FLOWER_BASIC_AUTH": text})


def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(FlowerSettings.from_env({**REDIS, "FLOWER_BASIC_AUTH": "secret"}))


def test_a_refusal_is_one_line_and_status_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", REDIS["REDIS_URL"])
    monkeypatch.setenv("FLOWER_HOST", "0.0.0.0")
    monkeypatch.delenv("FLOWER_BASIC_AUTH", raising=False)
    assert main() == 2
    told = capsys.readouterr().err
    assert told == (
        "flower is not started: FLOWER_BASIC_AUTH must be set when FLOWER_HOST is 0.0.0.0\n"
    )


def test_flower_loads_neither_the_stages_nor_a_database_driver() -> None:
    code = (
        "import sys; from orderengine.config.settings import FlowerSettings;"
        "from orderengine.worker.flower import make_flower;"
        "make_flower(FlowerSettings('redis://h', '127.0.0.1', 5555, (), 'INFO'));"
        "print(sorted({'sqlalchemy', 'psycopg2', 'flask', 'orderengine.execution.chain.stages'}"
        " & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


def test_counts_of_another_service_are_not_flowers() -> None:
    code = (
        "from orderengine.config.settings import FlowerSettings\n"
        "from orderengine.worker.flower import make_flower\n"
        "make_flower(FlowerSettings.from_env())\n"
        "from prometheus_client import Gauge\n"
        "Gauge('name', 'what').set(1)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**REDIS, "PROMETHEUS_MULTIPROC_DIR": "/nowhere"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_line_finds_the_engine_where_python_looks_into_no_current_folder() -> None:
    line = parse_procfile((ROOT / "Procfile").read_text("utf-8"))["flower"]
    refused = {"FLOWER_HOST": "0.0.0.0", "PYTHONSAFEPATH": "1"}
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = subprocess.run(
        ["/bin/sh", "-c", line],
        env={**REDIS, **refused, "PATH": programs},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "FLOWER_BASIC_AUTH must be set" in ran.stderr
