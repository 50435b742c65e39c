"""The hosts' deploy files start the lines of the Procfile, with settings that exist."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orderengine.config.settings import FlowerSettings
from orderengine.local.procfile import is_single_program, parse_procfile

ROOT = Path(__file__).parents[2]

Document = dict[str, Any]


@pytest.fixture(scope="module")
def lines() -> dict[str, str]:
    return parse_procfile((ROOT / "Procfile").read_text("utf-8"))


@pytest.fixture(scope="module")
def render() -> Document:
    blueprint: Document = yaml.safe_load((ROOT / "render.yaml").read_text("utf-8"))
    return blueprint


@pytest.fixture(scope="module")
def heroku() -> Document:
    app: Document = json.loads((ROOT / "app.json").read_text("utf-8"))
    return app


@pytest.fixture(scope="module")
def settings() -> set[str]:
    example = (ROOT / ".env.example").read_text("utf-8")
    return set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))


def service(render: Document, name: str) -> Document:
    (found,) = [each for each in render["services"] if each["name"] == f"orderengine-{name}"]
    return dict(found)


def references(render: Document) -> Iterator[tuple[str, str]]:
    for each in render["services"]:
        for variable in each.get("envVars", []):
            for source in ("fromDatabase", "fromService"):
                if source in variable:
                    yield source, variable[source]["name"]


def test_the_procfile_has_the_four_lines(lines: dict[str, str]) -> None:
    assert set(lines) == {"release", "web", "worker", "flower"}
    assert lines["release"] == "alembic --config alembic.ini upgrade head"


def test_no_shell_stays_between_a_host_and_what_it_signals(lines: dict[str, str]) -> None:
    assert all(is_single_program(line) for line in lines.values())
    # Without exec, some shells replace themselves by the last command; others stay and die first.
    assert all(lines[name].startswith("exec ") for name in ("web", "worker", "flower"))


@pytest.mark.parametrize("name", ["web", "worker", "flower"])
def test_render_starts_what_the_procfile_starts(
    name: str, render: Document, lines: dict[str, str]
) -> None:
    assert service(render, name)["startCommand"] == lines[name]


def test_render_migrates_before_each_deploy_and_asks_for_life(
    render: Document, lines: dict[str, str]
) -> None:
    for name in ("web", "worker"):
        assert service(render, name)["preDeployCommand"] == lines["release"]
    assert service(render, "web")["healthCheckPath"] == "/livez"


def test_render_keeps_every_message_and_lets_nobody_in(render: Document) -> None:
    redis = service(render, "redis")
    assert (redis["type"], redis["maxmemoryPolicy"]) == ("keyvalue", "noeviction")
    (database,) = render["databases"]
    assert redis["ipAllowList"] == database["ipAllowList"] == []


def test_render_refers_to_what_it_makes(render: Document) -> None:
    names = {
        "fromDatabase": {each["name"] for each in render["databases"]},
        "fromService": {each["name"] for each in render["services"]},
    }
    referred = list(references(render))
    assert len(referred) == 5
    assert all(name in names[source] for source, name in referred)


def test_flower_on_render_listens_where_requests_go_and_has_a_password(render: Document) -> None:
    flower = service(render, "flower")
    variables = {each["key"]: each for each in flower["envVars"]}
    assert variables["PORT"]["value"] == variables["FLOWER_PORT"]["value"]
    assert variables["FLOWER_BASIC_AUTH"] == {"key": "FLOWER_BASIC_AUTH", "generateValue": True}
    given = {key: each.get("value", "generated=") for key, each in variables.items()}
    settings = FlowerSettings.from_env({**given, "REDIS_URL": "redis://h"})
    assert (settings.host, settings.basic_auth) == ("0.0.0.0", ("flower:generated=",))


def test_every_variable_that_a_host_sets_is_a_setting(
    render: Document, heroku: Document, settings: set[str]
) -> None:
    named = {each["key"] for service in render["services"] for each in service.get("envVars", [])}
    assert named <= settings
    assert set(heroku["env"]) <= settings


def test_heroku_runs_the_lines_of_the_procfile_with_a_database_and_a_broker(
    heroku: Document, lines: dict[str, str]
) -> None:
    assert set(heroku["formation"]) == set(lines) - {"release"}
    addons = [each["plan"].split(":")[0] for each in heroku["addons"]]
    assert addons == ["heroku-postgresql", "heroku-redis"]


def test_the_python_of_the_hosts_is_one_that_the_project_takes() -> None:
    version = (ROOT / ".python-version").read_text("utf-8").strip()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lowest = project["requires-python"].removeprefix(">=")
    assert re.fullmatch(r"3\.\d+", version)
    assert [int(part) for part in version.split(".")] >= [int(part) for part in lowest.split(".")]
