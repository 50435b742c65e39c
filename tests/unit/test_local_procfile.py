import subprocess

import pytest

from orderengine.local.errors import LocalError
from orderengine.local.procfile import is_single_program, parse_procfile, shell_line


def test_names_and_commands_are_read_in_order() -> None:
    text = "# deploy\nrelease: alembic upgrade head\n\nweb:  gunicorn 'a:b()'\n"
    assert parse_procfile(text) == {"release": "alembic upgrade head", "web": "gunicorn 'a:b()'"}
    assert list(parse_procfile(text)) == ["release", "web"]


@pytest.mark.parametrize("text", ["web gunicorn", "web:", ": gunicorn", "web: a\nweb: b"])
def test_a_line_that_is_no_process_is_named(text: str) -> None:
    with pytest.raises(LocalError, match=r"Procfile, line \d"):
        parse_procfile(text)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("gunicorn app", "exec gunicorn app"),
        ("exec gunicorn app", "exec gunicorn app"),
        ('celery --concurrency "${N:-10}"', 'exec celery --concurrency "${N:-10}"'),
        ("LEVEL=1 MODE='a b' celery", "exec env LEVEL=1 MODE='a b' celery"),
        ('gunicorn "app:create(); x"', 'exec gunicorn "app:create(); x"'),
        ("server >log 2>&1", "exec server >log 2>&1"),
        ("cd web && gunicorn app", "cd web && gunicorn app"),
        ("server | tee log", "server | tee log"),
        ("(server)", "(server)"),
        ("echo 'not closed", "echo 'not closed"),
    ],
)
def test_the_shell_hands_over_to_a_single_program(command: str, line: str) -> None:
    assert shell_line(command) == line


def test_a_compound_line_keeps_its_shell() -> None:
    assert not is_single_program("migrate; serve")
    assert is_single_program("serve --now")


def test_assignments_reach_the_program() -> None:
    line = shell_line("GREETING='good day' printenv GREETING")
    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert ran.stdout == "good day\n"
