"""The errors of landed and simulated transactions: which are the order's limit, which its funds.

An error chooses words and whether another attempt may help, never whether a transaction landed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from solders.pubkey import Pubkey

from orderengine.solana.accounts import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from orderengine.solana.pools import amm_v4, cpmm, dlmm, localnet
from orderengine.solana.rpc_errors import printable

SYSTEM_PROGRAM: Final = "11111111111111111111111111111111"


class Meaning(Enum):
    """What an error means for its order."""

    LIMIT = auto()  # the market has moved beyond the order's limit
    FUNDS = auto()  # the wallet cannot pay
    STALE = auto()  # the node does not know the block that the transaction refers to
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class ChainError:
    """An error with its meaning, in words that name the program, and in one word for metrics."""

    meaning: Meaning
    detail: str
    label: str


Codes = Mapping[int, tuple[Meaning, str]]

# Sources of the codes: raydium-io/raydium-cp-swap `ErrorCode`, raydium-io/raydium-amm `AmmError`,
# MeteoraAg/dlmm-sdk `LBError`, solana-program/token `TokenError`, and the localnet's own program.
_CPMM: Codes = {6005: (Meaning.LIMIT, "ExceededSlippage")}
_LOCALNET: Codes = {
    6005: (Meaning.LIMIT, "ExceededSlippage"),
    6006: (Meaning.LIMIT, "ZeroTradingTokens"),
    6007: (Meaning.OTHER, "NotOpen"),
    6008: (Meaning.OTHER, "WrongAccounts"),
}
_AMM_V4: Codes = {
    30: (Meaning.LIMIT, "ExceededSlippage"),
    40: (Meaning.FUNDS, "InsufficientFunds"),
}
# A DLMM pool that has moved beyond the arrays of bins that the swap names (3005, of Anchor), beyond
# all liquidity (6037), or so that its limit orders do not pay out exactly so much (6085).
_DLMM: Codes = {
    3005: (Meaning.LIMIT, "AccountNotEnoughKeys"),
    6003: (Meaning.LIMIT, "ExceededAmountSlippageTolerance"),
    6037: (Meaning.LIMIT, "CannotFindNonZeroLiquidityBinArrayId"),
    6039: (Meaning.LIMIT, "InsufficientOutAmount"),
    6057: (Meaning.LIMIT, "NotExactAmountOut"),
    6085: (Meaning.LIMIT, "UndeterminedError"),
    6104: (Meaning.LIMIT, "InsufficientInAmount"),
}
_TOKEN: Codes = {1: (Meaning.FUNDS, "InsufficientFunds")}
_SYSTEM: Codes = {1: (Meaning.FUNDS, "ResultWithNegativeLamports")}

_PROGRAMS: Mapping[str, tuple[str, Codes]] = {
    **{str(each): ("raydium-cpmm", _CPMM) for each in cpmm.PROGRAM_IDS},
    **{str(each): ("localnet", _LOCALNET) for each in localnet.PROGRAM_IDS},
    **{str(each): ("raydium-amm-v4", _AMM_V4) for each in amm_v4.PROGRAM_IDS},
    **{str(each): ("meteora-dlmm", _DLMM) for each in dlmm.PROGRAM_IDS},
    str(TOKEN_PROGRAM): ("token", _TOKEN),
    str(TOKEN_2022_PROGRAM): ("token-2022", _TOKEN),
    SYSTEM_PROGRAM: ("system", _SYSTEM),
}

_FUNDS = {
    "AccountNotFound",
    "InsufficientFundsForFee",
    "InsufficientFundsForRent",
    "InvalidAccountForFee",
}
_FAILED = re.compile(r"Program ([1-9A-HJ-NP-Za-km-z]{32,44}) failed: ")
_LONGEST = 200


def chain_error(
    error: Any, logs: Sequence[str] = (), programs: Sequence[Pubkey | str] = ()
) -> ChainError:
    """The meaning of an error as a node tells it, in the `err` of a status or a simulation.

    `logs` are those of the transaction, `programs` those of its instructions, in order.
    """
    name, value = _named(error)
    if name != "InstructionError":
        meaning = Meaning.FUNDS if name in _FUNDS else Meaning.OTHER
        if name == "BlockhashNotFound":
            meaning = Meaning.STALE
        return ChainError(meaning, name, name)
    index, inner = value if isinstance(value, list) and len(value) == 2 else (None, value)
    program = _program_of(logs, index, programs)
    title, codes = _PROGRAMS.get(program, (program or "a program", {}))
    inner_name, code = _named(inner)
    if inner_name != "Custom" or type(code) is not int:
        meaning = Meaning.FUNDS if inner_name == "InsufficientFunds" else Meaning.OTHER
        return ChainError(meaning, f"{title}: {inner_name}", f"{title}:{inner_name}"[:_LONGEST])
    meaning, word = codes.get(code, (Meaning.OTHER, "error"))
    return ChainError(meaning, f"{title}: {word} ({code})", f"{title}:{code}")


def _named(error: Any) -> tuple[str, Any]:
    """The name of an error's variant, and what it carries."""
    if isinstance(error, str):
        return printable(error[:_LONGEST]), None
    if isinstance(error, dict) and len(error) == 1:
        ((name, value),) = error.items()
        return printable(str(name)[:_LONGEST]), value
    return "UnknownError", None


def _program_of(logs: Sequence[str], index: object, programs: Sequence[Pubkey | str]) -> str:
    """The program that failed.

    The log has a line for it, and then one for each program that had called it. Without the lines,
    since logs may be cut, it is the program of the instruction.
    """
    for line in logs:
        if found := _FAILED.match(line):
            return found[1]
    if type(index) is int and 0 <= index < len(programs):
        return str(programs[index])
    return ""
