"""`benchmarks.waiting`: limits are told, a crossing is one, and the crowd has its symbols."""

from pathlib import Path

import pytest

from benchmarks.waiting import crossing, crowd
from benchmarks.waiting.desk import Figure, listed
from orderengine.domain.instruments import parse_instruments
from orderengine.market.reference import moment_of, reference_price


@pytest.mark.parametrize(
    ("figure", "told"),
    [
        (Figure("a", 0.9, "x", at_least=0.95), "(at least 0.95: NOT KEPT)"),
        (Figure("a", 0.96, "x", at_least=0.95), "(at least 0.95)"),
        (Figure("a", 10, "blocks", at_most=10), "(at most 10)"),
        (Figure("a", 10.5, "blocks", at_most=10), "(at most 10: NOT KEPT)"),
        (Figure("a", 1, "s"), "s"),
    ],
)
def test_a_figure_says_whether_its_limit_is_kept(figure: Figure, told: str) -> None:
    assert figure.line().endswith(told)


def test_a_price_is_seen_for_the_first_time_when_it_crosses() -> None:
    found = crossing.ahead(listed().values())
    assert found is not None
    instrument = listed()[found.symbol]

    def before(ms: int) -> float:
        at = moment_of(round((found.at - ms / 1000) * 1e6))
        return float(reference_price(crossing.SEED, instrument, at, crossing.VOLATILITY))

    path = [before(ms) for ms in range(crossing.STEP_MS, 2_000, crossing.STEP_MS)]
    assert before(0) == pytest.approx(float(found.price), rel=1e-9)
    assert min(path) > found.price if found.side == "sell" else max(path) < found.price


def test_the_crowd_waits_for_twenty_symbols(tmp_path: Path) -> None:
    found = parse_instruments(crowd._instruments(tmp_path).read_text("utf-8"))
    assert len([each for each in found if not each.launched]) == crowd.SYMBOLS
