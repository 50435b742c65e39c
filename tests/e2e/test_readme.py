"""The README's examples, run unchanged against the stack."""

import json
import re
import subprocess
import sys

import pytest

from harness.processes import ROOT
from tests.e2e.stack import Stack

README = (ROOT / "README.md").read_text("utf-8")
TOLD_URL = "127.0.0.1:3000"


def example(language: str, beginning: str) -> str:
    """The first code block that starts with `beginning`."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if block.startswith(beginning))


def run(stack: Stack, command: list[str], script: str) -> str:
    there = script.replace(TOLD_URL, f"127.0.0.1:{stack.port}")
    done = subprocess.run(
        [*command, there], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_the_order_of_the_readme_is_accepted_and_followed(stack: Stack) -> None:
    accepted = json.loads(run(stack, ["sh", "-c"], example("", "curl ")))
    shown = re.findall(r'"(\w+)":', example("json", '{"orderId"').partition('"links"')[0])
    assert {*shown, "links"} <= set(accepted)
    script = re.sub(
        r"orderId=[^\"]*", f"orderId={accepted['orderId']}", example("python", "import")
    )
    told = run(stack, [sys.executable, "-c"], script)
    events = [json.loads(line) for line in told.splitlines() if line]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    for event, example_line in zip(events, shown_events(), strict=True):
        assert event["status"] == example_line["status"]
        assert set(example_line) - {"…"} <= set(event)
        assert set(example_line["data"]) - {"…"} <= set(event["data"])


def shown_events() -> list[dict[str, dict[str, object]]]:
    """The events that the README shows, shortened ones included."""
    text = next(b for b in re.findall(r"```json\n(.*?)```", README, re.DOTALL) if '"seq": 1' in b)
    decoder = json.JSONDecoder()
    events, at = [], 0
    while at < len(text.rstrip()):
        event, at = decoder.raw_decode(text, at)
        events.append(event)
        at += len(text[at:]) - len(text[at:].lstrip())
    return events


def test_the_refusal_of_the_readme_is_the_answer(stack: Stack) -> None:
    shown = json.loads(example("json", '{"type"'))
    script = example("", "curl ").replace('"buy"', '"hold"')
    assert json.loads(run(stack, ["sh", "-c"], script)) == shown


@pytest.mark.parametrize("path", re.findall(r"`GET (/[^`{]*?)(?:\?[^`]*)?`", README))
def test_every_path_of_the_readme_answers(stack: Stack, path: str) -> None:
    query = {
        "/api/quotes": "?symbol=AAPL&side=buy&quantity=10",
        "/api/orders/by-client-id": "?clientOrderId=of-the-readme",
    }
    if path == "/api/orders/by-client-id":
        stack.post("AAPL", "buy", "1", clientOrderId="of-the-readme")
    assert stack.text(path + query.get(path, ""))
