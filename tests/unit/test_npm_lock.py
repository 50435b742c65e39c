"""The packages from npm are locked by version and hash, but not to a registry host."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("tests/clients", "devDependencies"), ("benchmarks/bullmq", "dependencies")],
)
def test_every_package_is_locked_by_its_hash_and_to_no_host(folder: str, kind: str) -> None:
    packages = json.loads((ROOT / folder / "package-lock.json").read_text("utf-8"))["packages"]
    wanted = json.loads((ROOT / folder / "package.json").read_text("utf-8"))[kind]
    assert packages.pop("")[kind] == wanted
    assert {name for name, each in packages.items() if "resolved" in each} == set()
    assert {name for name, each in packages.items() if "integrity" not in each} == set()
    assert [each for each in wanted.values() if not each[0].isdigit()] == []
