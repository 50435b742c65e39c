"""The tree of `orderengine/` is what its map says: two levels, each with one line."""

import ast
import re
import tomllib
from pathlib import Path

import orderengine

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "orderengine"
MAP = re.compile(r"^(?: *[a-z_]+ {2,}\S.*\n){10,}", re.MULTILINE)


def mapped(text: str) -> list[str]:
    """The lines of the map in a text, from the left margin."""
    (found,) = MAP.findall(text)
    lines = found.splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    return [line[margin:] for line in lines]


def rooms(lines: list[str]) -> list[str]:
    """The paths that a map names."""
    paths: list[str] = []
    package = ""
    for line in lines:
        name = line.split()[0]
        if line.startswith(" "):
            paths.append(f"{package}/{name}")
        else:
            package = name
            paths.append(name)
    return paths


def on_disk() -> set[str]:
    """The folders, without those of which only compiled modules of an earlier release are left."""
    folders = [*PRODUCT.iterdir(), *PRODUCT.glob("*/*")]
    return {
        folder.relative_to(PRODUCT).as_posix()
        for folder in folders
        if folder.is_dir()
        and "__pycache__" not in folder.parts
        and any(path.name != "__pycache__" for path in folder.iterdir())
    }


def test_the_map_names_every_package_and_room() -> None:
    named = rooms(mapped(str(orderengine.__doc__)))
    assert set(named) == on_disk()
    assert len(named) == len(set(named))


def test_the_readme_has_the_same_map() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert mapped(readme) == mapped(str(orderengine.__doc__))


def test_the_layers_of_the_imports_are_those_of_the_map() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (layers,) = [
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    layered = [name for layer in layers for name in re.findall(r"\w+", layer)]
    packages = [name for name in rooms(mapped(str(orderengine.__doc__))) if "/" not in name]
    assert layered.pop(0) == packages.pop() == "local"
    assert layered == packages


def test_every_package_says_what_belongs_there() -> None:
    silent = [
        path
        for path in PRODUCT.rglob("__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_no_module_stands_beside_the_packages() -> None:
    assert {path.name for path in PRODUCT.glob("*.py")} == {"__init__.py", "__main__.py"}
