"""How the tests of the page find their browser."""

from pathlib import Path

import pytest

from tests.browser.chromium import NAMES, NoChromium, find_chromium


def executable(path: Path) -> str:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_the_named_executable_wins_over_those_on_the_path(tmp_path: Path) -> None:
    executable(tmp_path / "chromium")
    named = executable(tmp_path / "other")
    assert find_chromium({"CHROMIUM": named, "PATH": str(tmp_path)}) == named


@pytest.mark.parametrize("name", NAMES)
def test_each_usual_name_is_found(tmp_path: Path, name: str) -> None:
    assert find_chromium({"PATH": str(tmp_path)}) is None
    installed = executable(tmp_path / name)
    assert find_chromium({"PATH": str(tmp_path)}) == installed


def test_a_name_that_leads_nowhere_is_not_replaced_by_another_browser(tmp_path: Path) -> None:
    executable(tmp_path / "chromium")
    with pytest.raises(NoChromium, match="CHROMIUM=/nowhere"):
        find_chromium({"CHROMIUM": "/nowhere", "PATH": str(tmp_path)})
