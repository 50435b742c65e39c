"""The packages of `make clients` are locked by version and hash, but not to a registry host."""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "clients"


def test_every_package_is_locked_by_its_hash_and_to_no_host() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))["packages"]
    wanted = json.loads((FOLDER / "package.json").read_text("utf-8"))["devDependencies"]
    assert packages.pop("")["devDependencies"] == wanted
    assert {name for name, each in packages.items() if "resolved" in each} == set()
    assert {name for name, each in packages.items() if "integrity" not in each} == set()
    assert [each for each in wanted.values() if not each[0].isdigit()] == []
