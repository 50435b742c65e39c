"""The keys command on a real database."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from orderengine.cli.common import Surroundings
from orderengine.cli.main import main
from orderengine.execution.intake.keys import KeyAuthenticator
from orderengine.storage.keys import SqlKeys

Call = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(database: Engine, database_url: str) -> Call:
    around = Surroundings(environ={"DATABASE_URL": database_url})
    return lambda *arguments: CliRunner().invoke(main, ["keys", *arguments], obj=around)


def keys(run: Call, *arguments: str) -> Result:
    return run(*arguments)


def test_a_key_is_printed_alone_and_once(run: Call, database: Engine) -> None:
    made = keys(run, "create", "alice")
    assert made.exit_code == 0
    key = made.stdout.strip()
    caller = KeyAuthenticator(SqlKeys(database)).authenticate(key)
    assert caller is not None
    assert caller.client_id == "alice"
    listed = keys(run, "list")
    assert caller.key_id is not None
    assert caller.key_id in listed.output
    columns, line = (each.split() for each in listed.stdout.splitlines())
    assert columns == ["keyId", "client", "createdAt", "lastUsedAt", "revokedAt"]
    assert line[1] == "alice"
    assert key not in listed.output
    with database.connect() as connection:
        stored = connection.execute(text("SELECT CAST(api_keys AS text) FROM api_keys"))
        assert key not in stored.scalar_one()


def test_a_revoked_key_is_listed_as_such(run: Call) -> None:
    made = json.loads(keys(run, "create", "bob", "--json").stdout)
    assert made["client"] == "bob"
    assert keys(run, "revoke", made["keyId"]).exit_code == 0
    (listed,) = json.loads(keys(run, "list", "--json").stdout)["keys"]
    assert listed["keyId"] == made["keyId"]
    assert listed["lastUsedAt"] is None
    assert listed["revokedAt"] is not None
    again = keys(run, "revoke", made["keyId"])
    assert again.exit_code == 2
    assert "no key" in again.output


@pytest.mark.parametrize("name", ["", "a b", "é", "a" * 65, "a/b", "a\n"])
def test_a_name_that_breaks_the_rule_is_refused(run: Call, name: str) -> None:
    assert keys(run, "create", name).exit_code == 2
    assert json.loads(keys(run, "list", "--json").stdout) == {"keys": []}


def test_it_runs_as_a_module_and_says_in_one_line_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orderengine", "keys", "list"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "DATABASE_URL must be set\n")
