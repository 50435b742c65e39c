"""A command never talks to another stack than that of its checkout without saying so."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from orderengine.cli.common import Surroundings
from orderengine.cli.service import Service, service_url
from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.runfile import Run, own_ref
from orderengine.local.surroundings import surroundings
from tests.cli_desk import call

URL = "http://127.0.0.1:1"


def a_run() -> Run:
    return Run(own_ref(), URL, "postgresql://h/db", "redis://h/0")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / ".orderengine"
    path.mkdir()
    return path


def test_the_stack_of_the_checkout_is_asked_without_a_word(tmp_path: Path, folder: Path) -> None:
    a_run().save(folder)
    found = surroundings(tmp_path)
    assert (found.api_url, found.note, found.trouble) == (URL, "", "")
    assert found.environ["DATABASE_URL"] == "postgresql://h/db"


def test_after_a_dead_supervisor_nothing_is_asked(tmp_path: Path, folder: Path) -> None:
    run = a_run()
    replace(run, supervisor=replace(run.supervisor, started="long ago")).save(folder)
    ran = call("submit", "AAPL", "buy", "1", around=surroundings(tmp_path))
    assert ran.exit_code == 2
    (line,) = ran.stderr.splitlines()
    assert "died with its supervisor" in line
    assert "--url" in line


def test_without_a_stack_the_service_that_is_asked_is_named(tmp_path: Path) -> None:
    found = replace(surroundings(tmp_path), api_url=URL)
    ran = call("submit", "AAPL", "buy", "1", around=found)
    assert ran.stderr.splitlines()[0] == f"no stack runs in this checkout: asking {URL}"
    named = call("submit", "AAPL", "buy", "1", "--url", URL, around=found)
    assert "no stack" not in named.stderr


def test_a_run_of_another_user_is_told_only_where_it_matters() -> None:
    around = Surroundings(trouble="run.json: permission denied")
    assert call("submit", "AAPL", "buy", "1", around=around).stderr.startswith("run.json")
    assert "run.json" not in call("quotes", "--help", around=around).output


def test_a_socket_goes_through_no_proxy_as_no_request_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as proxy:
        address = f"http://{LOOPBACK}:{proxy.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.upper(), address)
        service = Service(service_url(f"http://{LOOPBACK}:{free_port()}"))
        with pytest.raises(ConnectionRefusedError):
            service.connect("b09f26f7-04bd-4c6a-9634-de855a0a4962", 0)
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
