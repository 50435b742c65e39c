"""Names in docstrings and files in the documentation exist."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "orderengine"
IMPLEMENTS = re.compile(r"\bImplements `([\w.]+)`")
SOURCE_FILE = re.compile(r"`((?:[\w-]+/)+[\w-]+\.(?:py|js|css|csv|sql|toml))`")


def implemented() -> Iterator[tuple[Path, str]]:
    """Each class that says which protocol it implements: its file, and the protocol's name."""
    for path in PRODUCT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                for name in IMPLEMENTS.findall(ast.get_docstring(node) or ""):
                    yield path, name


def module_of(path: Path) -> ModuleType:
    return import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def exists(path: Path, name: str) -> bool:
    """Whether a name with dots is one below `orderengine`, and a plain name one of this module."""
    module, _, plain = name.rpartition(".")
    try:
        return hasattr(import_module(f"orderengine.{module}") if module else module_of(path), plain)
    except ModuleNotFoundError:
        return False


def test_every_protocol_that_a_class_says_it_implements_exists() -> None:
    named = list(implemented())
    assert len(named) > 20
    assert [f"{path.name}: {name}" for path, name in named if not exists(path, name)] == []


def test_every_source_file_that_the_documentation_names_exists() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {(page.name, name) for page in pages for name in SOURCE_FILE.findall(page.read_text())}
    assert len(named) > 20
    places = (ROOT, PRODUCT, PRODUCT / "api" / "static")
    missing = [each for each in named if not any((place / each[1]).exists() for place in places)]
    assert missing == []
