"""The figures as a table for people and as JSON for programs."""

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import text

from benchmarks.bench import Bench, Figures
from harness.processes import ROOT

WIDTH = 46
SYNCS = 50


def describe(bench: Bench) -> Figures:
    """The context of the figures: revision, machine by its cores, versions, durability."""
    with bench.database.connect() as connection:

        def show(name: str) -> str:
            return str(connection.execute(text(f"SHOW {name}")).scalar_one())

        durability = {name: show(name) for name in ("fsync", "synchronous_commit")}
        postgres = show("server_version")
    server: Figures = bench.redis.info("server")
    return {
        "revision": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "orderengine")),
        "cores": os.cpu_count(),
        "versions": {
            "python": platform.python_version(),
            "celery": version("celery"),
            "postgresql": postgres,
            server.get("server_name", "redis"): server.get(
                "valkey_version", server["redis_version"]
            ),
        },
        "postgresql": {**durability, "write_and_fsync_ms": _sync_ms(bench.servers.folder)},
        "counted_with": {"statements": "pg_stat_statements", "commands": "INFO commandstats"},
    }


def table(figures: Figures) -> str:
    """One line per figure, in sections."""
    sections = {
        "burst": _burst_lines,
        "paced": _paced_lines,
        "two": _two_workers_lines,
        "stream": _stream_lines,
        "delays": _delay_lines,
    }
    lines: list[str] = []
    for name, rows in sections.items():
        if name in figures:
            others = (f"CPU used by others, {name}", f"{figures[name]['others_cpu_share']:.0%}")
            described = [*rows(figures[name]), others]
            lines += ["", *(f"{label:<{WIDTH}} {value}" for label, value in described)]
    return "\n".join(lines)


def line(document: Figures) -> str:
    """The figures as one line of JSON."""
    return json.dumps(_rounded(document))


def write_json(path: Path, document: Figures) -> None:
    """Write the figures, rounded to meaningful digits."""
    path.write_text(json.dumps(_rounded(document), indent=2) + "\n", "utf-8")


def _burst_lines(burst: Figures) -> list[tuple[str, str]]:
    rates, cpu = burst["orders_per_s"], burst["cpu_ms_per_order"]
    labels = {
        "engine": "First POST to last terminal status, orders/s",
        "worker alone": "  worker alone, accepted before, orders/s",
        "loop": "(a) plain loop, orders/s",
        "chain, prefork": "(b) simplest Celery chain, prefork, orders/s",
        "chain, threads": "(b) simplest Celery chain, threads, orders/s",
    }
    return [
        ("Accepted orders/s, as fast as clients can", _spread(burst["accepted_per_s"])),
        ("  POST during that, p50 / p99, ms", _percentiles(burst["post_ms"])),
        *((label, _spread(rates[name])) for name, label in labels.items()),
        ("Engine / (a)", _spread(burst["engine_to_loop"], 2)),
        (f"Engine / (b) {burst['faster_chain']}", _spread(burst["engine_to_chain"], 2)),
        *(
            (f"CPU per order, {name}, ms", f"{_cost(cpu['engine'], name):.2f}")
            for name in ("web", "worker", "postgres", "redis")
        ),
        *(
            (f"CPU per order in all, {name}, ms", f"{sum(costs.values()):.2f}")
            for name, costs in cpu.items()
        ),
        ("SQL statements per order", f"{burst['statements_per_order']:.1f}"),
        ("Redis commands per order", f"{burst['commands_per_order']:.1f}"),
    ]


def _cost(costs: Figures, name: str) -> float:
    """The total cost of all processes of this kind."""
    return sum(float(ms) for process, ms in costs.items() if process.split()[0] == name)


def _two_workers_lines(two: Figures) -> list[tuple[str, str]]:
    rates, faster = two["orders_per_s"], two["faster_chain"]
    return [
        ("Two workers of five slots, orders/s", _spread(rates["engine"])),
        ("  workers alone, accepted before, orders/s", _spread(rates["worker alone"])),
        (f"(b) {faster}, orders/s", _spread(rates[faster])),
        (f"Engine / (b) {faster}", _spread(two["engine_to_chain"], 2)),
    ]


def _paced_lines(paced: Figures) -> list[tuple[str, str]]:
    label = f"POST at {paced['rate_per_s']}/s, p50 / p99, ms"
    return [
        (label, _percentiles(paced["post_ms"])),
        ("  answered per s", f"{paced['answered_per_s']:.0f}"),
        ("  last order done after the last answer, s", f"{paced['drained_after_s']:.1f}"),
    ]


def _stream_lines(stream: Figures) -> list[tuple[str, str]]:
    return [("Commit to socket, p50 / p99, ms", _percentiles(stream["commit_to_socket_ms"]))]


def _delay_lines(delays: Figures) -> list[tuple[str, str]]:
    return [
        ("Default delays, orders/min, whole burst", f"{delays['orders_per_min']:,.0f}"),
        ("Default delays, orders/min, steady", f"{delays['steady_orders_per_min']:,.0f}"),
        (
            f"{delays['concurrency']} slots held for quotes only, orders/min",
            f"{delays['bound_quotes_only_per_min']:,.0f} (steady: {delays['share_of_bound']:.0%})",
        ),
        (
            f"{delays['concurrency']} slots asleep in settlement, orders/min",
            f"{delays['sleeping_slots_per_min']:,.0f}",
        ),
    ]


def _spread(values: Figures, digits: int = 0) -> str:
    middle, low, high = (f"{values[key]:.{digits}f}" for key in ("median", "min", "max"))
    return f"{middle}   ({low} to {high})"


def _percentiles(values: Figures) -> str:
    return f"{values['p50']:.1f} / {values['p99']:.1f}"


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def _sync_ms(folder: Path) -> float:
    """The time to write a page to disk, which is most of a commit's time."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            started = time.perf_counter()
            os.pwrite(file.fileno(), bytes(8192), 0)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _git(*arguments: str) -> str | None:
    try:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
