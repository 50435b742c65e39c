"""The files of the live page, and their content security policy."""

import hashlib
import re
from pathlib import Path

import pytest

from orderengine.api.routes.page import STATIC_DIR, content_policy
from tests.web import Web

VENDOR = STATIC_DIR / "vendor"
FILES = sorted(path for path in STATIC_DIR.rglob("*") if path.is_file())
OWN = [path for path in FILES if VENDOR not in path.parents]
TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}


@pytest.fixture(scope="module")
def web() -> Web:
    return Web()


def test_the_page_is_served_under_a_policy_without_inline_code(web: Web) -> None:
    answer = web.client.get("/?order=x", buffered=True)
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_served_with_its_type_and_asked_about_each_time(web: Web, path: Path) -> None:
    url = f"/static/{path.relative_to(STATIC_DIR).as_posix()}"
    first = web.client.get(url, buffered=True)
    assert first.data == path.read_bytes()
    if path.suffix in TYPES:
        assert first.content_type == f"{TYPES[path.suffix]}; charset=utf-8"
    assert first.headers["Cache-Control"] == "no-cache"
    again = web.client.get(url, headers={"If-None-Match": first.headers["ETag"]}, buffered=True)
    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["", "nothing.js", "../page.py", "..%2fpage.py", "js", "%2fetc/passwd"]
)
def test_nothing_else_is_served(web: Web, path: str) -> None:
    answer = web.client.get(f"/static/{path}", follow_redirects=True)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_a_hostile_host_adds_nothing_to_the_policy() -> None:
    assert "ws://a.example:3000 " in content_policy("a.example:3000")
    for host in ("x; script-src *", "x *", "[::1]:3000", ""):
        assert "connect-src 'self'; " in content_policy(host)


def test_the_page_has_no_inline_code_and_no_style_attributes() -> None:
    text = (STATIC_DIR / "index.html").read_text("utf-8")
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text) == []


def test_everything_that_the_files_refer_to_is_there() -> None:
    html = (STATIC_DIR / "index.html").read_text("utf-8")
    named = [STATIC_DIR / name for name in re.findall(r'"/static/([^"]+)"', html)]
    for module in OWN:
        imports = re.findall(r'from "(\.[^"]+)"', module.read_text("utf-8"))
        named += [(module.parent / name).resolve() for name in imports]
    assert len(named) > 20
    assert [path for path in named if not path.is_file()] == []


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in OWN:
        urls = set(re.findall(r"\bhttps?://[^\s\"'`]+", path.read_text("utf-8")))
        assert urls <= {"http://www.w3.org/2000/svg"}, path


def test_requests_and_sockets_are_made_in_one_module() -> None:
    makers = re.compile(r"\bfetch\(|new WebSocket\(|new EventSource\(|XMLHttpRequest")
    found = {path.name for path in OWN if makers.search(path.read_text("utf-8"))}
    assert found == {"api.js"}


def test_the_venues_are_named_in_one_module_and_one_stylesheet() -> None:
    named = re.compile("raydium|meteora", re.IGNORECASE)
    found = {path.name for path in OWN if named.search(path.read_text("utf-8"))}
    assert found == {"venues.js", "base.css"}


def test_everything_that_a_module_exports_is_imported_somewhere() -> None:
    texts = {path: path.read_text("utf-8") for path in OWN if path.suffix == ".js"}
    exported = {
        name
        for text in texts.values()
        for name in re.findall(
            r"^export (?:async )?(?:function|class|const) (\w+)", text, re.MULTILINE
        )
    }
    imported = {
        name
        for text in texts.values()
        for names in re.findall(r"^import \{([^}]+)\} from \"\./", text, re.MULTILINE)
        for name in re.findall(r"(\w+)(?: as \w+)?\s*(?:,|$)", names.strip())
    }
    assert len(exported) > 40
    assert exported - imported == set()
    assert imported - exported == set()


def test_no_module_writes_markup() -> None:
    writers = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write")
    assert [path.name for path in OWN if writers.search(path.read_text("utf-8"))] == []


def test_vendored_files_are_those_that_were_published() -> None:
    for listing in VENDOR.glob("*/SHA256SUMS"):
        lines = [line.split(maxsplit=1) for line in listing.read_text("utf-8").splitlines()]
        listed = {name: digest for digest, name in lines}
        there = {path.name for path in listing.parent.iterdir()} - {"SHA256SUMS", "README.md"}
        assert listed.keys() == there >= {"LICENSE"}
        for name, digest in listed.items():
            content = (listing.parent / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest, name


def test_no_file_of_the_page_is_long() -> None:
    assert [path.name for path in OWN if len(path.read_text("utf-8").splitlines()) > 300] == []
