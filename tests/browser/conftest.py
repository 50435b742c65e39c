"""A real browser, with windows on a running stack whose console errors fail a test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from harness.processes import ROOT
from tests.browser.chromium import FLAGS, require_chromium
from tests.browser.desk import TIMEOUT_MS, Desk
from tests.e2e.conftest import (
    pytest_runtest_makereport,
    stack,
    stack_database,
    stack_database_url,
    stack_environ,
    stack_redis_url,
    template,
)
from tests.e2e.stack import Stack

__all__ = [
    "pytest_runtest_makereport",
    "stack",
    "stack_database",
    "stack_database_url",
    "stack_environ",
    "stack_redis_url",
    "template",
]

IMAGES = ROOT / "docs" / "images"

OpenDesk = Callable[..., Desk]
Shoot = Callable[..., None]

# An order takes longer than Playwright's five seconds on a busy machine.
expect.set_options(timeout=TIMEOUT_MS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots", action="store_true", help="write the pictures of docs/images anew"
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=require_chromium(), args=list(FLAGS), headless=True
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_desk(browser: Browser, stack: Stack) -> Iterator[OpenDesk]:
    """Opens windows on the stack; at the end none may have logged an unexpected error."""
    desks: list[Desk] = []

    def open_desk(path: str = "/", url: str = "", *, usable: bool = True, **options: Any) -> Desk:
        desks.append(Desk(browser, url or stack.url, **options))
        if usable:
            return desks[-1].open(path)
        desks[-1].page.goto(path)
        return desks[-1]

    yield open_desk
    unexpected = [text for desk in desks for text in desk.unexpected]
    for desk in desks:
        desk.close()
    assert unexpected == []


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    return open_desk()


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Shoot:
    """Writes a picture for the documentation, if pictures were requested for this run."""

    def shoot(desk: Desk, name: str, part: str = "body") -> None:
        if request.config.getoption("--screenshots"):
            Path(IMAGES).mkdir(exist_ok=True)
            desk.shoot(IMAGES / f"{name}.png", part)

    return shoot
