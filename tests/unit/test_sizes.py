"""No function is longer than a screen, no file than a few, and no test sleeps."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("orderengine", "alembic", "benchmarks", "chaos", "generators", "harness", "tests")
NOT_OURS = {"__pycache__", "node_modules", "generated", "vendor"}
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 40
# Put together here, so that this file holds no such call itself.
NAP = ".".join(("time", "sleep("))


def sources(*endings: str) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in endings and not NOT_OURS & set(path.relative_to(ROOT).parts):
                yield path


def python() -> list[Path]:
    return [ROOT / "celeryconfig.py", *sources(".py")]


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_no_file_is_longer_than_300_lines() -> None:
    paths = [*python(), *sources(".js", ".css", ".html", ".ts")]
    assert len(paths) > 900
    assert {str(path): lines(path) for path in paths if lines(path) > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_longer_than_40_lines() -> None:
    too_long = {
        f"{path}:{node.lineno} {node.name}": length
        for path in python()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert too_long == {}


def test_no_test_sleeps() -> None:
    """Neither by a call nor in the text of a program that it starts; it waits on conditions."""
    texts = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
    assert [str(path) for path, text in texts.items() if NAP in text] == []
    called = [
        f"{path}:{node.lineno}"
        for path in texts
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"sleep", "asyncio.sleep"}
    ]
    assert called == []


def test_the_harness_sleeps_between_two_looks_at_a_condition_alone() -> None:
    sleeping = [
        path.name for path in (ROOT / "harness").rglob("*.py") if NAP in path.read_text("utf-8")
    ]
    assert sleeping == ["waiting.py"]
