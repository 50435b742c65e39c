"""The stacks that modules share: each module is there, and has no settings of its own."""

from pathlib import Path

import pytest

from tests.e2e.shared import SHARED, name_of_shared

FOLDER = Path(__file__).parents[1] / "e2e"
MODULES = [module for shared in SHARED.values() for module in shared.modules]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_that_shares_a_stack_has_no_settings_of_its_own(module: str) -> None:
    text = (FOLDER / f"{module}.py").read_text("utf-8")
    assert "def stack" not in text
    assert "stack: Stack" in text


def test_a_module_shares_one_stack_or_none() -> None:
    assert len(set(MODULES)) == len(MODULES)
    assert name_of_shared("tests/e2e/test_cli.py") == "without keys"
    assert name_of_shared("/checkout/tests/e2e/test_keys.py") == "with keys"
    assert name_of_shared("tests/e2e/test_crashes.py") is None
    assert name_of_shared("tests/unit/test_cli.py") is None
