"""The decisions: each is in the list, and one that was replaced says by which."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
PAGES = {path.name[:4]: path.read_text("utf-8") for path in FOLDER.glob("[0-9]*.md")}
LINK = re.compile(r"\[(\d{4})\]")


def heads(page: str, begins: str) -> set[str]:
    """The numbers in the sentences of a page's head that begin in this way."""
    head = re.split(r"^(?:## Context|\*\*Context)", PAGES[page], flags=re.MULTILINE)[0]
    found = re.findall(rf"{begins}(?:(?!Supersede[sd]\b).)*", head, flags=re.DOTALL)
    return {number for sentence in found for number in LINK.findall(sentence)}


def test_every_decision_is_in_the_list() -> None:
    assert len(PAGES) > 80
    listed = LINK.findall((FOLDER / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted(PAGES)


def test_a_replaced_decision_and_its_replacement_name_each_other() -> None:
    pairs = {(old, new) for new in PAGES for old in heads(new, "Supersedes")}
    told = {(old, new) for old in PAGES for new in heads(old, "Superseded(?: in part)? by")}
    assert len(pairs) > 40
    assert {f"{old} does not say that {new} supersedes it" for old, new in pairs - told} == set()
    assert {f"{new} does not say that it supersedes {old}" for old, new in told - pairs} == set()
