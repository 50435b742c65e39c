"""Compares the pool maths with vectors computed by the venues' own code.

    python -m tests.amm_vectors FILE

prints every mismatch, how many vectors of each kind were evaluated or skipped as unknown, and the
line `N passed, M failed`; the exit status is 1 on any mismatch, and when FILE cannot be read.

The DLMM vectors come from the SDK, which adds the surplus of an exact output to the protocol fee if
it is more than one unit, although it is in the other token. The program and our code do not. The
runner adds it to our protocol fee, prints for how many vectors it did so, and excuses nothing else.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from orderengine.amm.errors import AmmError, InsufficientLiquidity
from tests.amm_vector_kinds import EVALUATORS, SURPLUS, Evaluator, Outputs

NOT_COMPARED = ("_decimal", "_pct", "_fraction")

Vector = Mapping[str, Any]


class Mismatch(NamedTuple):
    """A field whose value is not the expected one."""

    vector_id: str
    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.vector_id}: {self.field}: expected {self.expected}, got {self.got}"


class Verdict(NamedTuple):
    """The result of one vector: it passes if there are no mismatches.

    `by_sdk_rule` is True if its protocol fee was compared by the SDK's rule for a surplus.
    """

    mismatches: Sequence[Mismatch]
    by_sdk_rule: bool = False


def check(vector: Vector, evaluate: Evaluator) -> Verdict:
    """Evaluates one vector and compares it."""
    vector_id, output = str(vector.get("id", "?")), expected_output(vector)
    try:
        got = evaluate(vector["input"], output.keys())
    except InsufficientLiquidity as error:
        if "error" in output:
            return Verdict([])
        return Verdict([Mismatch(vector_id, "error", "a swap", repr(error))])
    except (AmmError, AttributeError, KeyError, TypeError, ValueError) as error:
        return Verdict([Mismatch(vector_id, "input", str(output), repr(error))])
    if "error" in output:
        return Verdict([Mismatch(vector_id, "error", str(output["error"]), str(got))])
    surplus = got.pop(SURPLUS, 0)
    by_sdk_rule = surplus > 1 and "protocol_fee" in output
    if by_sdk_rule:
        got["protocol_fee"] += surplus
    return Verdict(compared(vector_id, output, got), by_sdk_rule)


def compared(vector_id: str, output: Mapping[str, str], got: Outputs) -> list[Mismatch]:
    """The fields of an expected output that ours lacks, or has with another value."""
    return [
        Mismatch(vector_id, field, str(expected), str(got.get(field, "no such field")))
        for field, expected in output.items()
        if not field.endswith(NOT_COMPARED) and not (field in got and str(got[field]) == expected)
    ]


def expected_output(vector: Vector) -> Mapping[str, str]:
    """The fields to compare, as text; a refusal of any form has the single field `error`."""
    output = vector.get("output", vector.get("error"))
    if not isinstance(output, dict):
        return {"error": str(output)}
    return {
        field: str(value) for field, value in output.items() if (field, value) != ("error", None)
    }


def run(vectors: Sequence[Vector]) -> int:
    """Checks all vectors and prints the report; returns how many failed."""
    evaluated: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    failed = by_sdk_rule = 0
    for vector in vectors:
        venue, kind = str(vector.get("venue")), str(vector.get("kind"))
        evaluate = EVALUATORS.get((venue, kind))
        if evaluate is None:
            skipped[f"{venue} {kind}"] += 1
            continue
        evaluated[f"{venue} {kind}"] += 1
        verdict = check(vector, evaluate)
        for mismatch in verdict.mismatches:
            print(f"MISMATCH {mismatch}")
        failed += bool(verdict.mismatches)
        by_sdk_rule += verdict.by_sdk_rule
    for name, count in sorted(evaluated.items()):
        print(f"{name}: {count} evaluated")
    for name, count in sorted(skipped.items()):
        print(f"{name}: {count} skipped, unknown kind")
    if by_sdk_rule:
        print(f"protocol_fee of {by_sdk_rule} with a surplus compared with the SDK's rule")
    print(f"{evaluated.total() - failed} passed, {failed} failed")
    return failed


def read(path: Path) -> list[Vector]:
    """The vectors of a file; raises OSError or ValueError if it has no readable vectors."""
    # Numbers with a fraction stay text: nothing here may pass through a float.
    document = json.loads(path.read_text(encoding="utf-8"), parse_float=str)
    vectors = document.get("vectors") if isinstance(document, dict) else document
    if not isinstance(vectors, list) or not all(isinstance(vector, dict) for vector in vectors):
        raise ValueError("no list of vectors in it")
    return vectors


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m tests.amm_vectors FILE", file=sys.stderr)
        return 2
    try:
        vectors = read(Path(arguments[0]))
    except (OSError, ValueError) as error:
        print(f"cannot read {arguments[0]}: {error}", file=sys.stderr)
        return 1
    return 1 if run(vectors) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
