"""The documents match the code: links, settings and numbers."""

import re
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from orderengine.api.answers.problems import ErrorCode
from orderengine.api.updates.connection import SEND_TIMEOUT_S
from orderengine.api.updates.prefer_wait import MAX_WAIT_S
from orderengine.bootstrap.common import LEAST_WEB_CONNECTIONS, WEB_CONNECTIONS
from orderengine.bootstrap.web import WebPools
from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.delays import RecoveryDelays
from orderengine.local.procfile import parse_procfile
from orderengine.webserver.head_reading_worker import REQUEST_TIMEOUT_S

ROOT = PACKAGE_DIR.parent
DELAYS = RecoveryDelays()
WORDS = {1: "one", 3: "three", 5: "five", 10: "ten", 15: "fifteen"}
PAGES = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md"))


def text_of(page: str) -> str:
    return " ".join((ROOT / page).read_text("utf-8").split())


def tracked() -> set[str]:
    """The files of the repository; outside of a checkout, the files on disk."""
    listed = subprocess.run(
        ["git", "ls-files"], check=False, cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode == 0:
        return set(listed.stdout.split())
    return {str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()}


def linked(page: Path) -> list[str]:
    """The targets of a page's relative links, as paths from the root."""
    found = []
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        parts: list[str] = []
        for part in (PurePosixPath(page.relative_to(ROOT)).parent / link).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        found.append("/".join(parts))
    return found


def test_every_link_leads_to_a_file_of_the_repository() -> None:
    files = tracked()
    folders = {str(parent) for file in files for parent in PurePosixPath(file).parents}
    broken = {
        f"{page.relative_to(ROOT)} -> {target}"
        for page in PAGES
        for target in linked(page)
        if target not in files and target not in folders
    }
    assert broken == set()
    assert sum(len(linked(page)) for page in PAGES) > 50


def test_every_decision_is_listed() -> None:
    pages = {path.name for path in (ROOT / "docs/decisions").glob("0*.md")}
    assert pages - {Path(each).name for each in linked(ROOT / "docs/decisions/README.md")} == set()


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_the_connections_of_a_web_service_are_those_of_its_pools(page: str) -> None:
    told = re.findall(r"PostgreSQL up to (\d+) per web service", text_of(page))
    assert told == [str(WEB_CONNECTIONS)]


@pytest.mark.parametrize("processes", range(1, 65))
def test_several_web_processes_share_the_connections_of_one(processes: int) -> None:
    pools = WebPools.of(processes)
    assert min(pools.size, pools.read_size) > 0
    most = max(WEB_CONNECTIONS, processes * LEAST_WEB_CONNECTIONS)
    assert processes * sum(pools) <= most


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("docs/decisions/0039-slow-readers.md", f"at most {WORDS[SEND_TIMEOUT_S]} seconds"),
        ("docs/metrics.md", f"made no room for a frame within {SEND_TIMEOUT_S} s"),
        ("docs/errors.md", f"did not come within {REQUEST_TIMEOUT_S} s"),
        ("docs/decisions/0032-waiting.md", f"for up to {WORDS[MAX_WAIT_S]} seconds"),
        ("docs/operations.md", f"waited for a worker moves within {DELAYS.intake_s:.0f} s"),
        ("docs/operations.md", f"one in a stage within {DELAYS.stage_s:.0f} s"),
        ("docs/operations.md", f"asked about within {DELAYS.submitted_s:.0f} s"),
        # tests/integration/test_storage.py counts them.
        ("docs/decisions/0001-row-as-outbox.md", "Five statements for an order"),
        ("docs/decisions/0009-handover.md", "five in all, which a test counts"),
    ],
)
def test_a_number_is_the_one_in_the_code(page: str, sentence: str) -> None:
    assert sentence in text_of(page)


def test_every_error_code_is_explained_once() -> None:
    told = re.findall(
        r"^\| `([A-Z_]+)` \|", (ROOT / "docs/errors.md").read_text("utf-8"), re.MULTILINE
    )
    assert {code.value for code in ErrorCode} <= set(told)


@pytest.mark.parametrize("name", ["release", "web", "worker", "flower"])
def test_systemd_starts_the_lines_of_the_procfile(name: str) -> None:
    line = parse_procfile((ROOT / "Procfile").read_text("utf-8"))[name]
    unit = (ROOT / f"deploy/systemd/orderengine-{name}.service").read_text("utf-8")
    # systemd reads $$ as one dollar sign.
    assert f"ExecStart=/bin/sh -c '{line.replace('$', '$$')}'\n" in unit
