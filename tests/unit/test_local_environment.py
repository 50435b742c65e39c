from pathlib import Path

import pytest

from orderengine.local.environment import (
    Addresses,
    child_environment,
    environment_of,
    forget_libpq,
    parse_env_file,
)
from orderengine.local.errors import LocalError

UNPOOLED = "DATABASE_URL_UNPOOLED"


def test_an_env_file_is_plain_assignments() -> None:
    text = (
        "# ports\nPORT=3001\nexport SIM_SEED = 7\nQUOTED='a # b'\nDOUBLE=\"c\" # d\n"
        "PLAIN=e # f\nURL=redis://h/0#frag\nEMPTY=\n"
    )
    assert parse_env_file(text) == {
        "PORT": "3001",
        "SIM_SEED": "7",
        "QUOTED": "a # b",
        "DOUBLE": "c",
        "PLAIN": "e",
        "URL": "redis://h/0#frag",
        "EMPTY": "",
    }


def test_a_line_of_an_env_file_that_is_no_assignment_is_named() -> None:
    with pytest.raises(LocalError, match=r"\.env, line 2"):
        parse_env_file("A=1\nnonsense\n")


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nSIM_SEED=2\n")
    assert environment_of(tmp_path, {"PORT": "3"}) == {"PORT": "3", "SIM_SEED": "2"}


def test_no_env_file_is_needed(tmp_path: Path) -> None:
    assert environment_of(tmp_path, {"PORT": "3"}) == {"PORT": "3"}


SHELL, FILE = "postgresql://shell/db", "postgresql://file/db"


@pytest.mark.parametrize(
    ("shell", "file", "unpooled"),
    [
        ({"DATABASE_URL": SHELL, UNPOOLED: SHELL}, {}, SHELL),
        ({}, {"DATABASE_URL": FILE, UNPOOLED: FILE}, FILE),
        ({"DATABASE_URL": SHELL, UNPOOLED: SHELL}, {"DATABASE_URL": FILE, UNPOOLED: FILE}, SHELL),
        ({"DATABASE_URL": SHELL}, {"DATABASE_URL": FILE, UNPOOLED: FILE}, None),
        ({"DATABASE_URL": SHELL}, {UNPOOLED: FILE}, None),
        ({UNPOOLED: SHELL}, {"DATABASE_URL": FILE}, None),
        ({UNPOOLED: SHELL}, {"DATABASE_URL": FILE, UNPOOLED: FILE}, FILE),
        ({UNPOOLED: SHELL}, {}, None),
        ({}, {UNPOOLED: FILE}, None),
        ({"DATABASE_URL": "", UNPOOLED: SHELL}, {"DATABASE_URL": FILE, UNPOOLED: FILE}, None),
    ],
)
def test_migrations_and_application_never_get_different_databases(
    tmp_path: Path, shell: dict[str, str], file: dict[str, str], unpooled: str | None
) -> None:
    (tmp_path / ".env").write_text("".join(f"{key}={value}\n" for key, value in file.items()))
    env = environment_of(tmp_path, shell)
    assert env.get(UNPOOLED) == unpooled
    assert environment_of(tmp_path, env) == env


def test_defaults_listen_on_loopback_and_start_servers() -> None:
    addresses = Addresses.from_env({"DATABASE_URL": "", "REDIS_URL": ""})
    assert addresses.api.netloc == "127.0.0.1:3000"
    assert addresses.flower.netloc == "127.0.0.1:5555"
    assert addresses.database_url is None
    assert addresses.redis_url is None


def test_all_interfaces_are_reached_over_loopback() -> None:
    assert Addresses.from_env({"HOST": "0.0.0.0"}).api.netloc == "127.0.0.1:3000"
    assert Addresses.from_env({"HOST": "::"}).api.netloc == "[::1]:3000"


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "3000 ", "\uff13000"])
def test_a_port_that_is_none_is_named(value: str) -> None:
    with pytest.raises(LocalError, match="PORT="):
        Addresses.from_env({"PORT": value})


def test_one_port_can_not_serve_two() -> None:
    with pytest.raises(LocalError, match="PORT and FLOWER_PORT are both 4000"):
        Addresses.from_env({"PORT": "4000", "FLOWER_PORT": "4000"})


def test_children_find_the_servers_the_ports_and_our_programs() -> None:
    env = {"PATH": "/usr/bin", "SIM_SEED": "1", "PORT": ""}
    child = child_environment(env, Addresses.from_env(env), "postgresql://db", "redis://r")
    assert child["DATABASE_URL"] == "postgresql://db"
    assert child["REDIS_URL"] == "redis://r"
    assert (child["HOST"], child["PORT"], child["FLOWER_PORT"]) == ("127.0.0.1", "3000", "5555")
    assert child["SIM_SEED"] == "1"
    assert child["AUTH"] == "off"
    first, *rest = child["PATH"].split(":")
    assert (Path(first) / "python").exists()
    assert rest == ["/usr/bin"]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"AUTH": "required"}, "required"),
        ({"HOST": "0.0.0.0"}, None),
        ({"HOST": "0.0.0.0", "AUTH": "off"}, "off"),
        ({"HOST": "localhost"}, "off"),
    ],
)
def test_no_key_is_asked_for_on_this_machine_unless_it_is_wanted(
    env: dict[str, str], expected: str | None
) -> None:
    child = child_environment(env, Addresses.from_env(env), "postgresql://db", "redis://r")
    assert child.get("AUTH") == expected


@pytest.mark.parametrize("name", ["x86_64-conda-linux-gnu", "my-machine", "my-machine.lan"])
def test_a_name_that_a_shell_calls_its_host_is_not_listened_on(tmp_path: Path, name: str) -> None:
    assert "HOST" not in environment_of(tmp_path, {"HOST": name})
    (tmp_path / ".env").write_text("HOST=own-name")
    env = environment_of(tmp_path, {"HOST": name})
    assert env["HOST"] == "own-name"
    assert environment_of(tmp_path, env) == env


@pytest.mark.parametrize("address", ["0.0.0.0", "::1", "10.0.0.7", "localhost"])
def test_an_address_of_the_shell_is_listened_on(tmp_path: Path, address: str) -> None:
    (tmp_path / ".env").write_text("HOST=127.0.0.1")
    assert environment_of(tmp_path, {"HOST": address})["HOST"] == address


@pytest.mark.parametrize(
    "variable",
    [
        *("GUNICORN_CMD_ARGS", "SCRIPT_NAME", "FORWARDED_ALLOW_IPS"),
        *("ALEMBIC_CONFIG", "PYTHONHOME", "CELERY_WORKER_QUEUES"),
    ],
)
def test_what_another_tool_has_set_does_not_reach_the_lines(variable: str) -> None:
    env = {variable: "foreign", "KEPT": "yes"}
    made = child_environment(env, Addresses.from_env(env), "postgresql://h/db", "redis://h/0")
    assert variable not in made
    assert made["KEPT"] == "yes"


def test_options_of_libpq_are_for_a_server_that_was_named() -> None:
    foreign = {"PGSSLMODE": "require", "PGOPTIONS": "-c x", "PGSERVICE": "none"}
    env = dict(foreign)
    made = child_environment(env, Addresses.from_env(env), "postgresql://h/db", "redis://h/0")
    assert not made.keys() & foreign.keys()
    forget_libpq(env, own := dict(foreign))
    assert own == {}
    named = {"DATABASE_URL": "postgresql://h/db", **foreign}
    made = child_environment(named, Addresses.from_env(named), "postgresql://h/db", "redis://h/0")
    assert made.items() >= foreign.items()
    forget_libpq(named, own := dict(foreign))
    assert own == foreign
