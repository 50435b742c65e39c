"""The embedded PostgreSQL as root: another user, and folders that this user can reach."""

import os
import shutil
from pathlib import Path

import pytest

from orderengine.local import privileges
from orderengine.local.binaries import POSTGRES_VARIABLE, find_postgres
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.processes import command_line
from tests.integration.embedded import pid_of, query, read, write

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")


@as_root
def test_postgres_finds_a_place_when_its_user_can_not_reach_the_folder(folder: Path) -> None:
    folder.chmod(0o700)
    server = EmbeddedPostgres(folder / "data", durable=False)
    with server:
        write(server)
    with EmbeddedPostgres(folder / "data", durable=False) as again:
        assert read(again) == "yes"
    home = Path((folder / "data" / "location").read_text())
    assert home.is_dir()
    assert folder.stat().st_mode & 0o777 == 0o700
    server.remove()
    assert not home.exists()


@pytest.fixture
def temporary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that replaces one that PostgreSQL's user can not reach."""
    path = folder / "temporary"
    path.mkdir()
    path.chmod(0o711)
    monkeypatch.setattr(privileges, "_LASTING_TEMPORARY_FOLDER", path)
    return path


@as_root
def test_data_that_was_removed_by_hand_leaves_nothing_behind(folder: Path, temporary: Path) -> None:
    checkout = folder / "checkout"
    data = checkout / ".orderengine" / "postgres"
    data.mkdir(parents=True)
    checkout.chmod(0o700)
    for _ in range(2):
        with EmbeddedPostgres(data, durable=False) as server:
            write(server)
        shutil.rmtree(checkout / ".orderengine")
    assert len(list(temporary.iterdir())) == 1
    with EmbeddedPostgres(data, durable=False) as server:
        write(server)  # fails if the old cluster, with this table, is used again
        assert [str(path) for path in temporary.iterdir()] == [(data / "location").read_text()]


@as_root
def test_data_that_belongs_to_another_checkout_stays(folder: Path, temporary: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir(mode=0o700)
        with EmbeddedPostgres(folder / name / "state" / "postgres", durable=False) as server:
            write(server)
    shutil.rmtree(folder / "two")
    (folder / "three").mkdir(mode=0o700)
    with EmbeddedPostgres(folder / "three" / "state" / "postgres", durable=False):
        assert len(list(temporary.iterdir())) == 3
    with EmbeddedPostgres(folder / "one" / "state" / "postgres", durable=False) as server:
        assert read(server) == "yes"


def copied_binaries(folder: Path) -> Path:
    """A copy of the binaries, laid out as in a wheel; returns the folder of the programs."""
    prefix = find_postgres().parent
    shutil.copytree(prefix, folder / prefix.parent.name / "pg")
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return next(folder.glob("*/pg/bin"))


@as_root
def test_postgres_runs_from_a_copy_when_its_user_can_not_reach_the_binaries(folder: Path) -> None:
    bin_dir = copied_binaries(folder / "hidden")
    (folder / "hidden").chmod(0o700)
    environ = {**os.environ, POSTGRES_VARIABLE: str(bin_dir)}
    with EmbeddedPostgres(folder / "data", durable=False, environ=environ) as server:
        assert str(folder / "data" / "install") in command_line(pid_of(server))


@as_root
@pytest.mark.parametrize("folders_too", [True, False])
def test_postgres_runs_where_everything_was_made_for_root_alone(
    folder: Path, *, folders_too: bool
) -> None:
    bin_dir = copied_binaries(folder / "private")
    for path in (folder / "private").rglob("*"):
        if path.is_file() or folders_too:
            path.chmod(path.stat().st_mode & 0o700)
    environ = {**os.environ, POSTGRES_VARIABLE: str(bin_dir)}
    before = os.umask(0o077)
    try:
        with EmbeddedPostgres(folder / "data", durable=False, environ=environ) as server:
            assert query(server, "SELECT 1") == 1
    finally:
        os.umask(before)
