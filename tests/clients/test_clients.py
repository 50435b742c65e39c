"""The API descriptions, checked by linters and by clients that are generated from them.

`make clients` installs the tools.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import enter
from tests.e2e.conftest import (
    pytest_runtest_makereport,
    stack,
    stack_database,
    stack_database_url,
    stack_redis_url,
    template,
)
from tests.e2e.stack import Stack
from tests.web import Web

__all__ = [
    "pytest_runtest_makereport",
    "stack",
    "stack_database",
    "stack_database_url",
    "stack_redis_url",
    "template",
]

HERE = Path(__file__).parent
GENERATED = HERE / "generated"
COLLECTION = HERE.parents[1] / "docs" / "postman_collection.json"
TOOLS = Path(os.environ.get("CLIENTS", Path(sys.executable).parent))
TIMEOUT_S = 110
STATUSES = ["pending", "routing", "building", "submitted", "confirmed"]


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "AUTH": "required",
        "SIM_QUOTE_LATENCY_MS": "50-80",
        "SIM_SETTLEMENT_MS": "300-300",
    }


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    return enter(stack, "alice")["key"]


@pytest.fixture(scope="module")
def described(stack: Stack) -> Path:
    """A new folder with the description of the running service."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    for name in ("openapi.json", "asyncapi.json"):
        (GENERATED / name).write_text(stack.text(f"/{name}"), "utf-8")
    return GENERATED


def run(*command: str | Path, cwd: Path = HERE, **environ: str) -> str:
    """Run a tool of `make clients`, which must succeed; returns its output."""
    path = os.pathsep.join([str(TOOLS), str(HERE / "node_modules" / ".bin"), os.environ["PATH"]])
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**os.environ, "PATH": path, "NO_COLOR": "1", **environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_followed(told: str) -> None:
    """Assert that an order was accepted, and that each of its events was read to the end."""
    document: dict[str, Any] = json.loads(told.splitlines()[-1])
    assert document["placed"]["status"] == "pending"
    texts = [json.dumps(event) for event in document["events"]]
    for status, text in zip(STATUSES, texts, strict=True):
        assert f'"{status}"' in text


@pytest.mark.parametrize("asks_for_keys", [True, False])
def test_the_linters_find_nothing(described: Path, asks_for_keys: bool) -> None:
    client = Web(asks_for_keys=asks_for_keys).client
    names = [f"{kind}-{asks_for_keys}.json" for kind in ("openapi", "asyncapi")]
    for name in names:
        text = client.get(f"/{name.partition('-')[0]}.json").text
        (described / name).write_text(text, "utf-8")
    config = HERE / "redocly.yaml"
    report = run("redocly", "lint", "--config", config, "--format", "json", described / names[0])
    assert json.loads(report)["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}
    ruleset = HERE / "spectral.yaml"
    files = [described / name for name in names]
    run("spectral", "lint", "--ruleset", ruleset, "--fail-severity", "hint", *files)


def test_a_client_of_openapi_python_client_places_and_follows_an_order(
    stack: Stack,
    described: Path,
    key: str,
) -> None:
    run(
        *("openapi-python-client", "generate", "--path", described / "openapi.json"),
        *("--output-path", described / "generated_client", "--meta", "none"),
    )
    script = HERE / "orders_python.py"
    told = run(TOOLS / "python", script, stack.url, key, PYTHONPATH=str(described))
    assert_followed(told)


@pytest.fixture(scope="module")
def compiled(described: Path) -> Path:
    """Both TypeScript clients, generated and compiled with all checks."""
    source = described / "openapi.json"
    run("openapi-typescript", source, "-o", described / "schema.ts")
    run("openapi-ts", "-i", source, "-o", described / "hey")
    run("tsc", "-p", HERE)
    return described / "out"


@pytest.mark.parametrize("name", ["orders_fetch", "orders_hey"])
def test_a_client_in_typescript_places_and_follows_an_order(
    stack: Stack,
    compiled: Path,
    key: str,
    name: str,
) -> None:
    assert_followed(run("node", compiled / f"{name}.js", stack.url, key))


def test_newman_runs_the_collection(stack: Stack, key: str) -> None:
    base_url, token = (f"{name}={value}" for name, value in (("base_url", stack.url), ("key", key)))
    report = run("newman", "run", COLLECTION, "--env-var", base_url, "--env-var", token)
    assert "has every field that is always there" in report
