"""Python's environment variables: the engine's processes refuse some, and ignore others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orderengine.process.interpreter import hiding_module

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    (folder / "flask").mkdir(parents=True)
    (folder / "flask" / "__init__.py").touch()
    for name in ("redis", "pip"):
        (folder / f"{name}.py").touch()
    return folder


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    folder = tmp_path / "foreign"
    folder.mkdir()
    return folder


def hiding(installed: Path, *folders: Path) -> Path | None:
    path = os.pathsep.join(map(str, folders))
    return hiding_module({"PYTHONPATH": path} if folders else {}, installed)


def test_a_module_is_found_that_hides_an_installed_one(installed: Path, foreign: Path) -> None:
    assert hiding(installed, foreign) is None
    (foreign / "flask.py").touch()
    assert hiding(installed, Path("/nowhere"), foreign) == foreign / "flask.py"
    (foreign / "flask.py").unlink()
    (foreign / "redis").mkdir()
    assert hiding(installed, foreign) is None  # a folder without __init__.py hides nothing
    (foreign / "redis" / "__init__.py").touch()
    assert hiding(installed, foreign) == foreign / "redis"


def test_modules_that_hide_nothing_are_left(installed: Path, foreign: Path) -> None:
    for name in ("other.py", "pip.py", "flask.txt"):
        (foreign / name).touch()
    assert hiding(installed) is None
    assert hiding(installed, foreign) is None
    assert hiding(installed, ROOT) is None
    (foreign / "redis.py").touch()
    assert hiding(installed, installed, foreign) is None


def test_where_all_is_installed_in_a_folder_of_the_path_it_is_obeyed(
    installed: Path, foreign: Path
) -> None:
    assert hiding(foreign, installed) is None


@pytest.mark.parametrize("warnings", ["error", "error::DeprecationWarning", "default"])
def test_a_warning_of_a_library_neither_ends_a_process_nor_is_told(warnings: str) -> None:
    code = "import orderengine, warnings; warnings.warn('old', DeprecationWarning, stacklevel=1)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": warnings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
