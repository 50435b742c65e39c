"""`python -m orderengine.local run`: its children start, restart, and stop."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest

from harness.waiting import stretched, wait_until
from orderengine.local.environment import Address
from orderengine.local.ports import LOOPBACK, is_free
from orderengine.local.readiness import http_get
from orderengine.local.runfile import live_run, load_run
from tests.integration.supervised import READY, Supervised, edit_procfile, supervised
from tests.servers import Servers


@pytest.fixture
def stack(servers: Servers) -> Iterator[Supervised]:
    with supervised(servers.database_url) as stack:
        yield stack


def test_everything_starts_and_the_user_reads_where_it_is(stack: Supervised) -> None:
    stack.start_until_ready()
    stack.wait_for("Ctrl-C")
    text = "\n".join(stack.lines)
    api = f"127.0.0.1:{stack.env['PORT']}"
    assert "release  | migrated" in text
    assert f"http://{api}\n" in text
    assert f"ws://{api}/ws/orders" in text
    assert f"http://127.0.0.1:{stack.env['FLOWER_PORT']}" in text
    assert f"curl -s -X POST http://{api}/api/orders/execute" in text
    assert re.search(r"worker   \| worker uses postgresql://\w+:\*\*\*@\S+ redis://:\*\*\*@", text)
    for variable in ("DATABASE_URL", "REDIS_URL"):
        assert (urlsplit(stack.env[variable]).password or "none") not in text
    run = live_run(stack.folder)
    assert run is not None
    assert run.api_url == f"http://{api}"
    assert run.redis_url == stack.env["REDIS_URL"]
    assert run.flower_port == int(stack.env["FLOWER_PORT"])


def test_a_settings_file_is_read(stack: Supervised) -> None:
    (stack.root / ".env").write_text(f"PORT={stack.env.pop('PORT')}\nFLOWER_PORT=1\n")
    stack.start_until_ready()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_to_the_group_stops_everything_in_order(
    stack: Supervised, number: signal.Signals
) -> None:
    stack.start_until_ready()
    children = stack.children()
    assert len(children) == 3
    status, seconds = stack.stop(number)
    assert status == 0
    assert seconds < 5
    assert not any(ref.is_running() for ref in children)
    assert load_run(stack.folder) is None
    web, *others = [stack.wait_for(f"{name} stops") for name in ("web", "worker", "flower")]
    assert web < min(others)


def test_a_killed_child_is_named_and_started_again(stack: Supervised) -> None:
    stack.start_until_ready()
    first = stack.child("worker")
    first.send(signal.SIGKILL)
    ended = stack.wait_for(r"worker ended: signal SIGKILL; starting it again in 0\.5 s")
    stack.wait_for("worker is ready again", after=ended)
    assert stack.child("worker") != first
    assert stack.child("worker").is_running()


def test_a_child_that_fails_at_once_is_started_less_and_less_often(stack: Supervised) -> None:
    edit_procfile(stack, "python child.py flower", "python child.py flower broken")
    stack.start()
    for delay in ("0.5", "1", "2"):
        ended = stack.wait_for(f"flower ended: exit code 1; starting it again in {delay} s")
        stack.wait_for("flower: no such module", after=ended)
    status, _ = stack.stop()
    assert status == 0


def test_a_child_that_ignores_sigterm_is_killed_in_time(stack: Supervised) -> None:
    for name in ("web", "worker", "flower"):
        edit_procfile(stack, f"child.py {name}", f"child.py {name} stubborn")
    stack.start_until_ready()
    children = stack.children()
    status, seconds = stack.stop()
    assert status == 0
    assert seconds < 10
    assert not any(ref.is_running() for ref in children)
    stack.wait_for("worker did not stop in time and is killed")


def test_a_second_interrupt_stops_at_once(stack: Supervised) -> None:
    for name in ("web", "worker"):  # one interrupt alone takes more than six seconds with these
        edit_procfile(stack, f"child.py {name}", f"child.py {name} stubborn")
    stack.start_until_ready()
    children = stack.children()
    began = monotonic()
    os.killpg(stack.process.pid, signal.SIGINT)
    stack.wait_for("stopping")
    # The first half second counts as the same keystroke.
    wait_until(lambda: monotonic() - began > 0.6)
    os.killpg(stack.process.pid, signal.SIGINT)
    assert stack.process.wait(10) == 0
    assert monotonic() - began < stretched(6.0)
    assert not any(ref.is_running() for ref in children)


def test_a_signal_repeated_by_a_wrapper_is_one_request(stack: Supervised) -> None:
    stack.start_until_ready()
    for _ in range(3):
        os.killpg(stack.process.pid, signal.SIGTERM)
    assert stack.process.wait(10) == 0
    assert not any("killed" in line for line in stack.lines)


def test_what_a_compound_line_started_is_stopped_too(stack: Supervised) -> None:
    edit_procfile(stack, "python child.py web", "cd . && python child.py web; echo over")
    stack.start_until_ready()
    port = int(stack.env["PORT"])
    assert not is_free(port)
    assert stack.stop()[0] == 0
    assert is_free(port)


def test_a_port_that_a_killed_run_still_holds_is_waited_for(stack: Supervised) -> None:
    edit_procfile(stack, "child.py web", "child.py web held")
    stack.env["PYTHONPATH"] = str(Path(__file__).parents[2])
    stack.start_until_ready()
    web = stack.child("web")
    stack.process.kill()
    web.send(signal.SIGKILL)
    stack.process.wait()
    assert not is_free(int(stack.env["PORT"]))
    edit_procfile(stack, "child.py web held", "child.py web")
    stack.start()
    stack.wait_for("waiting for a port")
    (stack.root / "let-go").touch()
    stack.wait_for(READY)


def test_every_port_that_is_taken_is_named(stack: Supervised) -> None:
    with ExitStack() as taken:
        for name in ("PORT", "FLOWER_PORT"):
            taken.enter_context(socket.create_server((LOOPBACK, int(stack.env[name]))))
        stack.start()
        assert stack.process.wait(30) == 1
        for name in ("PORT", "FLOWER_PORT"):
            stack.wait_for(f"port {stack.env[name]} on 127.0.0.1 is taken: .* set {name} to a free")


def test_a_redis_that_takes_no_messages_is_told_at_once(stack: Supervised) -> None:
    edit_procfile(stack, "child.py web", "child.py web redisless")
    edit_procfile(stack, "python child.py worker", "sleep 1000")
    stack.start()
    stack.wait_for(r"error: Redis takes no messages \(no_answer\): is REDIS_URL right.*:\*\*\*@")
    assert stack.process.wait(30) == 1


def test_a_frozen_supervisor_stops_nobody(stack: Supervised) -> None:
    edit_procfile(stack, "child.py web", "child.py web talkative")
    stack.env["PYTHONPATH"] = str(Path(__file__).parents[2])
    stack.start_until_ready()
    address = Address(LOOPBACK, int(stack.env["PORT"]), "PORT")
    supervisor = stack.process
    supervisor.send_signal(signal.SIGSTOP)
    try:
        # Before each answer the child logs 100 KB, which is more than a pipe holds.
        for _ in range(3):
            assert http_get(address, "/talk", timeout_s=30.0) is not None
    finally:
        supervisor.send_signal(signal.SIGCONT)

    def is_told() -> bool:
        assert http_get(address, "/talk", timeout_s=30.0) is not None
        return any("log_lines_dropped" in line for line in stack.lines)

    wait_until(is_told, 30.0)


def test_a_killed_supervisor_leaves_nothing_behind_after_the_next_start(stack: Supervised) -> None:
    for name in ("web", "worker"):  # these survive the kernel's death signal
        edit_procfile(stack, f"child.py {name}", f"child.py {name} stubborn")
    stack.start_until_ready()
    orphans = stack.children()
    stack.process.kill()
    stack.process.wait()
    assert any(ref.is_running() for ref in orphans)
    stack.start_until_ready()
    assert not any(ref.is_running() for ref in orphans)
    assert all(ref.is_running() for ref in stack.children())


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_a_line_for_an_order_and_a_pipe_the_log(
    stack: Supervised, *, terminal: bool
) -> None:
    edit_procfile(stack, "python child.py worker", "python child.py worker ordering")
    stack.env["NO_COLOR"] = "1"
    stack.start(terminal=terminal)
    stack.wait_for("Ctrl-C")
    told = [line.split(" | ", 1)[1] for line in stack.lines if "7a5f" in line]
    if terminal:
        ended = "confirmed at 230.1 USDC on raydium in 2.4 s, attempt 1"
        assert told == [f"order 7a5f buy 10 AAPL {ended}"]
    else:
        assert [json.loads(line)["status"] for line in told] == ["routing", "confirmed"]
