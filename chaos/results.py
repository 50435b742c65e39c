"""The figures: stored as JSON, and written into docs/reliability.md between two markers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaos.faults import FAULTS
from harness.processes import ROOT

RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- {}: generated -->", "<!-- {}: end -->"

Document = Mapping[str, Any]

HEADER = (
    "| fault | orders | confirmed | sockets | injected | lost | executed twice | gaps | other"
    " | recovered in | seed |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def line(found: Document) -> str:
    """One fault in one line, for whoever waits."""
    verdict = "FAILED " + ", ".join(found["broken"]) if found["broken"] else "ok"
    reasons = "".join(f", {count} {reason}" for reason, count in found["reasons"].items())
    reasons += "".join(f", {name}: {count}" for name, count in found["figures"].items())
    return (
        f"{found['name']:<22} {found['orders']:>6} orders {found['injected']:>5} injected "
        f"{found['recovery_s']:>6.1f} s to recover {found['seconds']:>5.0f} s  {verdict}{reasons}"
    )


def table(verdicts: Sequence[Document]) -> str:
    """All faults as a Markdown table."""
    return "\n".join([HEADER, *map(_row, verdicts)])


def record(verdicts: Sequence[Document]) -> None:
    """Store the results of a run at full scale, and rewrite the page."""
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    kept |= {each["name"]: each for each in verdicts}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    write_block("results", table([kept[name] for name in FAULTS if name in kept]))


def write_block(name: str, text: str) -> None:
    """Replace the text between a pair of markers; raises ValueError if they are missing."""
    begin, end = BEGIN.format(name), END.format(name)
    before, found, rest = PAGE.read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        message = f"{PAGE} has no block {name!r}"
        raise ValueError(message)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")


def _row(found: Document) -> str:
    serious = found["lost"] + found["executed_twice"] + found["gaps"]
    other = max(found["violations_in_all"] - serious, 0)
    cells = [
        f"{found['name']}: {FAULTS[found['name']].what}",
        found["orders"],
        found["confirmed"],
        found["sockets"],
        found["injected"],
        found["lost"],
        found["executed_twice"],
        found["gaps"],
        other,
        f"{found['recovery_s']:.1f} s",
        found["seed"],
    ]
    return f"| {' | '.join(map(str, cells))} |"
