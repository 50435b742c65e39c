"""Errors of transactions as a node writes them: JSON with a name, and a sentence.

Solders' own JSON of an instruction's error drops the name of the variant, so it is made here.
Source: anza-xyz/solana-sdk `transaction-error/src/lib.rs` for names and sentences.
"""

import re
from typing import Any

from solders.transaction_status import (
    InstructionErrorBorshIO,
    InstructionErrorCustom,
    TransactionErrorDuplicateInstruction,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorProgramExecutionTemporarilyRestricted,
    TransactionErrorType,
)

Failure = str | dict[str, Any]
"""`BlockhashNotFound`, or `{"InstructionError": [2, {"Custom": 6005}]}`."""

_SENTENCES = {
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InsufficientFundsForRent": "Transaction leaves an account with a lower balance than rent",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "InvalidAccountIndex": "Transaction contains an invalid account reference",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "SanitizeFailure": "Transaction failed to sanitize accounts offsets correctly",
    "SignatureFailure": "Transaction did not pass signature verification",
}


def failure_of(error: TransactionErrorType) -> Failure:
    """The JSON of an error."""
    if isinstance(error, TransactionErrorInstructionError):
        return {"InstructionError": [error.index, _of_instruction(error.err)]}
    if isinstance(error, TransactionErrorDuplicateInstruction):
        return {"DuplicateInstruction": error.index}
    if isinstance(error, TransactionErrorInsufficientFundsForRent):
        return {"InsufficientFundsForRent": {"account_index": error.account_index}}
    if isinstance(error, TransactionErrorProgramExecutionTemporarilyRestricted):
        restricted = {"account_index": error.account_index}
        return {"ProgramExecutionTemporarilyRestricted": restricted}
    return _name(error)


def sentence_of(failure: Failure) -> str:
    """The sentence that a node puts into its error message."""
    if isinstance(failure, str):
        return _SENTENCES.get(failure, failure)
    name, value = next(iter(failure.items()))
    if name != "InstructionError":
        return _SENTENCES.get(name, name)
    index, error = value
    if isinstance(error, dict) and "Custom" in error:
        text = f"custom program error: {error['Custom']:#x}"
    else:
        name = error if isinstance(error, str) else next(iter(error))
        text = re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
    return f"Error processing Instruction {index}: {text}"


def _of_instruction(error: object) -> Failure:
    if isinstance(error, InstructionErrorCustom):
        return {"Custom": error.code}
    if isinstance(error, InstructionErrorBorshIO):
        return "BorshIoError"
    return _name(error)


def _name(error: object) -> str:
    return str(error).rpartition(".")[2]
