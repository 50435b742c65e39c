"""The errors of the chain: who failed, and what that means for an order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.settlement.solana.errors import SYSTEM_PROGRAM, Meaning, chain_error
from orderengine.solana.accounts import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from orderengine.solana.pools import amm_v4, cpmm, dlmm, localnet

CPMM = str(cpmm.MAINNET_PROGRAM)
AMM_V4 = str(amm_v4.MAINNET_PROGRAM)
DLMM = str(dlmm.PROGRAM_ID)
LOCALNET = str(localnet.PROGRAM_ID)


def custom(code: int, index: int = 3) -> dict[str, Any]:
    return {"InstructionError": [index, {"Custom": code}]}


def failed(*programs: str) -> list[str]:
    """The log of a failure: the program that failed, and those that had called it."""
    return [f"Program {each} failed: custom program error: 0x1" for each in programs]


@pytest.mark.parametrize(
    ("program", "code", "meaning"),
    [
        (CPMM, 6005, Meaning.LIMIT),
        (LOCALNET, 6005, Meaning.LIMIT),
        (LOCALNET, 6007, Meaning.OTHER),
        (AMM_V4, 30, Meaning.LIMIT),
        (AMM_V4, 40, Meaning.FUNDS),
        (AMM_V4, 1, Meaning.OTHER),
        (DLMM, 6003, Meaning.LIMIT),
        (DLMM, 6104, Meaning.LIMIT),
        (DLMM, 6057, Meaning.LIMIT),
        (DLMM, 6039, Meaning.LIMIT),
        (DLMM, 3005, Meaning.LIMIT),
        (DLMM, 6037, Meaning.LIMIT),
        (DLMM, 6085, Meaning.LIMIT),
        (DLMM, 6002, Meaning.OTHER),
        (CPMM, 3005, Meaning.OTHER),
        (DLMM, 6005, Meaning.OTHER),
        (str(TOKEN_PROGRAM), 1, Meaning.FUNDS),
        (str(TOKEN_2022_PROGRAM), 1, Meaning.FUNDS),
        (SYSTEM_PROGRAM, 1, Meaning.FUNDS),
    ],
)
def test_a_code_means_what_its_program_says(program: str, code: int, meaning: Meaning) -> None:
    assert chain_error(custom(code), failed(program)).meaning is meaning
    assert chain_error(custom(code, 1), [], [CPMM, program]).meaning is meaning


def test_the_program_that_failed_is_the_one_that_was_called_last() -> None:
    # AMM v4 calls the token program, whose error 1 is not AMM v4's.
    error = chain_error(custom(1), failed(str(TOKEN_PROGRAM), AMM_V4))
    assert (error.meaning, error.label) == (Meaning.FUNDS, "token:1")


def test_a_program_cannot_name_another_one_in_its_log() -> None:
    forged = f"Program log: Program {TOKEN_PROGRAM} failed: custom program error: 0x1"
    assert chain_error(custom(1), [forged, *failed(AMM_V4)]).label == "raydium-amm-v4:1"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        ("InsufficientFundsForFee", Meaning.FUNDS),
        ({"InsufficientFundsForRent": {"account_index": 0}}, Meaning.FUNDS),
        ("AccountNotFound", Meaning.FUNDS),
        ("BlockhashNotFound", Meaning.STALE),
        ("AlreadyProcessed", Meaning.OTHER),
        ({"InstructionError": [0, "InvalidAccountData"]}, Meaning.OTHER),
    ],
)
def test_errors_without_a_code_have_a_meaning_too(error: Any, meaning: Meaning) -> None:
    assert chain_error(error).meaning is meaning


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.lists(st.text()))
def test_any_error_is_told_in_words(error: Any, logs: list[str]) -> None:
    told = chain_error(error, logs)
    assert told.label
    assert len(told.detail) < 1_000
