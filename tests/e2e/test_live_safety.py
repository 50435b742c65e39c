"""Safety before money, on the live path: funds, dry runs, limits, and where the key is."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from solders.keypair import Keypair

from harness.processes import ROOT
from harness.waiting import wait_until
from orderengine.local.ports import free_port
from orderengine.local.runfile import state_folder
from tests.e2e.live_stack import LiveStack, live_stack
from tests.e2e.live_workers import localnet

HEADER = "symbol,name,decimals,quantity_step,min_quantity,max_quantity,reference_price,depth\n"
# The localnet gives its wallet as many tokens as one order may have at most.
TEN_AAPL = f"{HEADER}AAPL,Apple (tokenized),8,0.000001,0.0001,10,229.40,6000000\n"
KEY_VARIABLES = ("SOLANA_KEYPAIR_FILE", "SOLANA_PRIVATE_KEY")


def test_with_funds_for_five_of_ten_orders_at_once_five_are_filled_and_nothing_lands_in_vain() -> (
    None
):
    with live_stack({}, TEN_AAPL) as stack:
        ids = stack.place_at_once(10, symbol="AAPL", side="sell", quantity="2", slippageBps=500)
        orders = [stack.ended(each) for each in ids]
        found = Counter((each["status"], each.get("reason")) for each in orders)
        assert found == {("confirmed", None): 5, ("failed", "INSUFFICIENT_FUNDS"): 5}
        landings = stack.landings()
        assert [each["err"] for each in landings] == [None] * 5
        signatures = {each["signature"] for each in landings}
        assert signatures == {each["txHash"] for each in orders if each["status"] == "confirmed"}
        assert not any("txHash" in each for each in orders if each["status"] == "failed")


def test_a_dry_run_signs_nothing_and_tells_the_amounts() -> None:
    with live_stack({"DRY_RUN": "1"}, TEN_AAPL) as stack:
        order = stack.ended(stack.place(symbol="AAPL", side="buy", quantity="2"))
        assert (order["status"], order["reason"]) == ("failed", "DRY_RUN")
        assert "txHash" not in order
        assert any(character.isdigit() for character in order["detail"])
        assert stack.landings() == []


def test_limits_and_the_kill_switch_hold_on_the_live_path() -> None:
    settings = {"MAX_ORDER_NOTIONAL": "2000", "MAX_DAILY_NOTIONAL": "3000"}
    with live_stack(settings, TEN_AAPL) as stack:
        order = {"symbol": "AAPL", "side": "buy"}
        status, refused = stack.ask("/api/orders/execute", {**order, "quantity": "10"})
        assert (status, refused["code"]) == (422, "NOTIONAL_LIMIT")
        bound = stack.ended(stack.place(**order, quantity="5", worstPrice="100"))
        assert (bound["status"], bound["reason"]) == ("failed", "PRICE_LIMIT")
        halt(stack, "halt")
        held = stack.place(**order, quantity="5")
        wait_until(lambda: "halted" in stack.output, 30, "no worker has told the halt")
        assert stack.landings() == []
        halt(stack, "resume")
        assert stack.ended(held)["status"] == "confirmed"
        assert stack.ended(stack.place(**order, quantity="7"))["status"] == "confirmed"
        status, refused = stack.ask("/api/orders/execute", {**order, "quantity": "5"})
        assert (status, refused["code"]) == (403, "DAILY_LIMIT")
        assert len(stack.landings()) == 2


def test_a_key_that_is_given_as_text_is_in_the_worker_s_environment_alone(tmp_path: Path) -> None:
    with localnet(tmp_path / "localnet", free_port()) as settings:
        file = Path(settings.pop("SOLANA_KEYPAIR_FILE"))
        key = Keypair.from_bytes(bytes(json.loads(file.read_text())))
        secrets = forms_of(key)
        env_file = {"SOLANA_PRIVATE_KEY": secrets["base58"]}
        with live_stack({**settings, "LOG_LEVEL": "DEBUG"}, env_file=env_file) as stack:
            ids = [
                stack.place(symbol=symbol, side=side, quantity="1", **terms)
                for symbol, side, terms in (
                    ("AAPL", "buy", {}),
                    ("SOL", "sell", {}),
                    ("SOL", "buy", {"maxLegs": 2}),
                    ("AAPL", "sell", {"worstPrice": "100000"}),
                )
            ]
            orders = [stack.ended(each) for each in ids]
            assert [each["status"] for each in orders] == ["confirmed"] * 3 + ["failed"]
            told = {each["orderId"]: json.dumps(each) for each in orders}
            told["metrics"] = json.dumps(stack.ask("/readyz")[1])
            worker = stack.run.children["worker"].pid
            for path in Path("/proc").glob("[0-9]*"):
                process = what_a_process_tells(path)
                if str(stack.root) in process and not is_of(int(path.name), worker):
                    told[path.name] = process
            assert len(told) >= len(ids) + 4, "the processes of the stack can be read"
            told["the run"] = stack.output
            told |= {
                str(path): path.read_text(errors="replace")
                for path in state_folder(stack.root).rglob("*")
                if path.is_file() and os.access(path, os.R_OK)
            }
    found = [
        (what, where)
        for what, secret in secrets.items()
        for where, text in told.items()
        if secret in text
    ]
    assert found == []


def what_a_process_tells(path: Path) -> str:
    """Its command line and its environment; empty if it has ended."""
    try:
        parts = [(path / name).read_bytes() for name in ("cmdline", "environ")]
    except OSError:
        return ""
    return b"\0".join(parts).decode(errors="replace")


def is_of(pid: int, ancestor: int) -> bool:
    """Whether a process is another one, or descends from it."""
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        pid = int(stat.rpartition(")")[2].split()[1])
    return False


def halt(stack: LiveStack, command: str) -> None:
    run = stack.run
    subprocess.run(
        [sys.executable, "-m", "orderengine", command],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": run.database_url,
            "REDIS_URL": run.redis_url,
        },
        check=True,
        capture_output=True,
        timeout=60,
    )


def forms_of(key: Keypair) -> dict[str, str]:
    """The ways in which a private key may be written."""
    whole, seed = bytes(key), bytes(key)[:32]
    numbers = list(whole)
    return {
        "base58": str(key),
        "hex": whole.hex(),
        "the seed in hex": seed.hex(),
        "numbers": json.dumps(numbers)[1:-1],
        "numbers without spaces": ",".join(map(str, numbers)),
        "the first half in numbers": ", ".join(map(str, numbers[:32])),
    }


def environments() -> dict[int, dict[str, str]]:
    """The environment of each process that can be read."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        pairs = (each.partition("=") for each in text.split("\0") if each)
        found[int(path.parent.name)] = {name: value for name, _, value in pairs}
    return found


def test_the_key_reaches_the_worker_alone_and_is_in_no_output_and_no_answer() -> None:
    with live_stack({"LOG_LEVEL": "DEBUG"}, TEN_AAPL) as stack:
        file = Path(stack.run.localnet["SOLANA_KEYPAIR_FILE"])
        assert file.stat().st_mode & 0o077 == 0
        secrets = forms_of(Keypair.from_bytes(bytes(json.loads(file.read_text()))))
        ids = [
            stack.place(symbol="AAPL", side="buy", quantity="1"),
            stack.place(symbol="AAPL", side="sell", quantity="1", worstPrice="100000"),
        ]
        told = {each: json.dumps(stack.ended(each)) for each in ids}
        for path in (
            "/readyz",
            "/api/instruments",
            "/openapi.json",
            f"/api/orders/{ids[0]}/events",
        ):
            told[path] = json.dumps(stack.ask(path)[1])
        folder = str(stack.root)
        mine = {pid: env for pid, env in environments().items() if folder in " ".join(env.values())}
        with_key = [pid for pid, env in mine.items() if any(name in env for name in KEY_VARIABLES)]
        worker = stack.run.children["worker"].pid
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in mine}
        assert len(mine) >= 3, "web, Flower and the supervisor can be read"
        assert with_key or os.geteuid(), "only root may read that of the worker"
        assert all(pid == worker or "celery" in commands[pid] for pid in with_key)
        told["the run"] = stack.output
        told["the state of the run"] = (state_folder(stack.root) / "run.json").read_text()
        told |= {f"the environment of {pid}": " ".join(env.values()) for pid, env in mine.items()}
        told |= {f"the command of {pid}": command for pid, command in commands.items()}
    found = [
        (what, where)
        for what, key in secrets.items()
        for where, text in told.items()
        if key in text
    ]
    assert found == []
