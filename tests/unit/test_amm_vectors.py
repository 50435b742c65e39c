"""The vectors computed by the venues' own code, and the runner that compares them."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.amm_vector_kinds import EVALUATORS
from tests.amm_vectors import check, main, read

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "amm_vectors_sample.json"
VECTORS = {vector["id"]: dict(vector) for vector in read(SAMPLE)}

CPMM = "raydium_cpmm.swap_base_input.0009"
SHALLOW_DLMM = "meteora_dlmm.swap_exact_in.0124"


def run_on(tmp_path: Path, *vectors: dict[str, Any]) -> int:
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps({"vectors": vectors}), encoding="utf-8")
    return main([str(path)])


def changed(vector_id: str, *path: str, value: object) -> dict[str, Any]:
    vector: dict[str, Any] = copy.deepcopy(VECTORS[vector_id])
    place = vector
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return vector


@pytest.mark.parametrize("vector_id", VECTORS)
def test_a_vector_of_the_sample_is_reproduced(vector_id: str) -> None:
    vector = VECTORS[vector_id]
    assert check(vector, EVALUATORS[vector["venue"], vector["kind"]]).mismatches == []


def test_the_runner_passes_the_whole_sample() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.amm_vectors", str(SAMPLE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "meteora_dlmm swap_exact_in: 24 evaluated" in done.stdout
    assert done.stdout.splitlines()[-1] == "154 passed, 0 failed"


def test_the_runner_fails_on_a_tampered_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tampered = changed(CPMM, "output", "trade_fee", value="2")
    assert run_on(tmp_path, VECTORS[SHALLOW_DLMM], tampered) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"MISMATCH {CPMM}: trade_fee: expected 2, got 1"
    assert printed[-1] == "1 passed, 1 failed"


@pytest.mark.parametrize("value", ["1", 0, None, "1.5"])
def test_the_runner_fails_on_an_output_field_that_it_does_not_produce(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: object
) -> None:
    assert run_on(tmp_path, changed(CPMM, "output", "rebate", value=value)) == 1
    assert f"rebate: expected {value}, got no such field" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["price_decimal", "price_impact_pct", "impact_fraction"])
def test_fractions_are_not_compared(tmp_path: Path, field: str) -> None:
    assert run_on(tmp_path, changed(CPMM, "output", field, value="0.1")) == 0


def test_integers_and_decimal_strings_are_the_same(tmp_path: Path) -> None:
    vector = changed(CPMM, "input", "input_amount", value=2)
    vector["output"] = {name: int(value) for name, value in vector["output"].items()}
    assert run_on(tmp_path, vector) == 0


def test_a_surplus_of_the_sdk_is_told_and_nothing_else_is_excused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {"venue": "meteora_dlmm", "kind": "swap_exact_out"}
    bins = [{"id": 7_000, "amount_x": "0", "amount_y": "10000"}]
    parameters = {"base_factor": 10_000, "protocol_share_bps": 1_000}
    pool = {"bin_step": 10, "active_id": 7_000, "bins": bins, "parameters": parameters}
    output = {"amount_in": "2", "amount_out": "1", "lp_fee": "1", "protocol_fee": "1091"}
    vector = {**whole, "input": {**pool, "amount_out": "1", "swap_for_y": True}, "output": output}
    assert run_on(tmp_path, vector) == 0
    told = "protocol_fee of 1 with a surplus compared with the SDK's rule"
    assert capsys.readouterr().out.splitlines()[-2:] == [told, "1 passed, 0 failed"]
    for field, value in (("protocol_fee", "0"), ("lp_fee", "0"), ("amount_in", "3")):
        tampered = {**vector, "output": {**output, field: value}}
        assert run_on(tmp_path, tampered) == 1


@pytest.mark.parametrize(
    "output", [{"error": "insufficient_liquidity"}, {"error": True}, "insufficient liquidity"]
)
def test_an_expected_refusal_passes_however_it_is_put(tmp_path: Path, output: object) -> None:
    assert run_on(tmp_path, changed(SHALLOW_DLMM, "output", value=output)) == 0


def test_a_refusal_that_does_not_come_is_a_mismatch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_on(tmp_path, changed(CPMM, "output", value={"error": "insufficient"})) == 1
    assert "error: expected insufficient, got {'input_amount': 2" in capsys.readouterr().out


def test_a_refusal_that_nobody_expects_is_a_mismatch(tmp_path: Path) -> None:
    assert run_on(tmp_path, changed(SHALLOW_DLMM, "output", value={"amount_out": "1"})) == 1


def test_only_missing_liquidity_counts_as_an_expected_refusal(tmp_path: Path) -> None:
    vector = changed(CPMM, "input", "input_amount", value=-1)
    vector["output"] = {"error": "insufficient_liquidity"}
    assert run_on(tmp_path, vector) == 1


def test_an_input_that_cannot_be_read_is_a_mismatch_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = changed(CPMM, "input", "input_amount", value="many")
    assert run_on(tmp_path, broken, changed(CPMM, "id", value="whole")) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed"


def test_missing_input_fields_have_defaults(tmp_path: Path) -> None:
    vector = {
        "venue": "raydium_amm_v4",
        "kind": "swap_base_in",
        "input": {"amount_in": 400, "total_coin": 5000001, "total_pc": "4999999"},
        "output": {"swap_fee": "1", "amount_out": 398},
    }
    assert run_on(tmp_path, vector) == 0


@pytest.mark.parametrize(
    ("named", "amount_out"),
    [("Coin2PC", 333), ("X_TO_Y", 333), ("ZeroForOne", 333), ("PC2Coin", 4), ("y_to_x", 4)],
)
def test_a_direction_may_be_named_in_several_ways(
    tmp_path: Path, named: str, amount_out: int
) -> None:
    vector = {
        "venue": "raydium_amm_v4",
        "kind": "swap_without_fees",
        "input": {"amount_in": 50, "total_coin": 100, "total_pc": 1000, "direction": named},
        "output": {"amount_out": amount_out},
    }
    assert run_on(tmp_path, vector) == 0


def test_an_unknown_kind_is_skipped_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_on(tmp_path, changed(CPMM, "venue", value="nowhere")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "nowhere swap_base_input: 1 skipped, unknown kind",
        "0 passed, 0 failed",
    ]


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b"[1]", b'{"vectors": 3}'])
def test_a_file_that_cannot_be_read_gives_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "vectors.json"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"cannot read {path}: ")
    assert printed.err.count("\n") == 1


def test_a_missing_argument_is_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == "usage: python -m tests.amm_vectors FILE\n"
