"""The scrape configuration of docs/metrics.md, against a service that requires keys."""

import re

import pytest
import yaml

from orderengine.config.settings import PACKAGE_DIR
from tests.web import Web

PAGE = (PACKAGE_DIR.parent / "docs" / "metrics.md").read_text("utf-8")


@pytest.fixture
def job() -> dict[str, object]:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (job,) = yaml.safe_load(block)["scrape_configs"]
    return dict(job)


@pytest.fixture
def key_command() -> tuple[str, str]:
    """The client for which the page makes a key, and the file for the key."""
    (found,) = re.findall(r"bin/orderengine keys create (\S+) > ([^\s)]+)", PAGE)
    return (found[0], found[1])


def test_the_scraper_reads_the_file_that_the_key_was_written_to(
    job: dict[str, object], key_command: tuple[str, str]
) -> None:
    assert job["authorization"] == {"credentials_file": key_command[1]}


def test_a_key_made_as_the_page_says_scrapes_and_no_other_one_does(
    job: dict[str, object], key_command: tuple[str, str]
) -> None:
    web = Web(asks_for_keys=True)
    path = str(job.get("metrics_path", "/metrics"))
    statuses = [
        web.client.get(path, headers=headers).status_code
        for headers in (web.key(key_command[0]), web.key("alice"), {})
    ]
    assert statuses == [200, 403, 401]
