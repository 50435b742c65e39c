"""The page on security names tests that exist, and figures that are true."""

import re
from collections import Counter
from pathlib import Path

from tests.corpus import corpus
from tests.frames import frame_corpus

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def test_every_test_that_it_names_is_there() -> None:
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
    assert len(files) >= 15
    sources = "".join((ROOT / name).read_text("utf-8") for name in files)
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) >= 8
    assert [name for name in named if f"def {name}(" not in sources] == []


def test_every_risk_has_a_line() -> None:
    assert re.findall(r"^\| API(\d+) ", PAGE, re.MULTILINE) == [str(n) for n in range(1, 11)]


def test_the_frames_are_told_as_they_are() -> None:
    families = Counter(case.family for case in frame_corpus())
    assert f"makes {families.total()} of them" in PAGE
    table = PAGE.partition("| family | frames |")[2].partition("Peers that")[0]
    rows = re.findall(r"^\| ([^|:]+?)(?::[^|]*)? \| (\d+) \|", table, re.MULTILINE)
    assert {name: int(number) for name, number in rows} == families


def test_the_size_of_the_corpus_is_told_as_it_is() -> None:
    assert f"makes {len(corpus())} requests" in PAGE
    table = PAGE.partition("| family | requests |")[2].partition("Hostile frames")[0]
    assert sum(map(int, re.findall(r"\| (\d+) \|$", table, re.MULTILINE))) == len(corpus())
