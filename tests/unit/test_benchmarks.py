"""The parts of the benchmark that determine its figures."""

import random
from dataclasses import replace

import pytest

from benchmarks.accounting import ProcessTimes, parse_busy, parse_stat, per_order, tree_ticks
from benchmarks.checks import Lost, Tally, require_none_lost
from benchmarks.figures import mean_slowest_ms, percentile, slots_per_minute, steady_rate
from benchmarks.pairs import table

WHOLE = Tally(orders=3, confirmed=3, unfinished=0, with_gaps=0, misexecuted=0)


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    values = [float(number) for number in range(100, 0, -1)]

    assert percentile(values, percent) == expected


def test_a_single_value_is_every_percentile_of_itself() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_the_steady_rate_leaves_out_the_beginning_and_the_end() -> None:
    steady = [10 + number / 50 for number in range(100)]
    times = [*(0.0 for _ in range(10)), *steady[10:90], *(99.0 for _ in range(10))]

    assert steady_rate(times) == pytest.approx(50)
    assert steady_rate(steady) == pytest.approx(50)


@pytest.mark.parametrize("times", [[], [1.0], [2.0, 2.0, 2.0]])
def test_too_few_events_have_no_rate(times: list[float]) -> None:
    with pytest.raises(ValueError, match="too few"):
        steady_rate(times)


def test_the_slower_of_two_quotes_takes_two_thirds_of_the_span() -> None:
    assert mean_slowest_ms(150, 250, draws=2) == pytest.approx(216.67, abs=0.01)
    assert mean_slowest_ms(2000, 3000, draws=1) == 2500
    assert mean_slowest_ms(0, 0, draws=2) == 0


def test_the_formula_of_the_slowest_draw_agrees_with_drawing() -> None:
    rng = random.Random(1)  # noqa: S311 - draws, not secrets
    drawn = [max(rng.uniform(150, 250), rng.uniform(150, 250)) for _ in range(20_000)]

    assert sum(drawn) / len(drawn) == pytest.approx(mean_slowest_ms(150, 250, 2), rel=0.005)


def test_ten_slots_bound_the_orders_of_a_minute() -> None:
    assert slots_per_minute(10, mean_slowest_ms(150, 250, 2)) == pytest.approx(2769, abs=1)
    assert slots_per_minute(10, mean_slowest_ms(2000, 3000, 1)) == 240


def test_cpu_time_is_read_behind_a_name_with_parentheses_and_blanks() -> None:
    line = "77 (postgres: (x) y) S 42 77 77 0 -1 4194560 9 8 7 6 100 20 3 4 20 0 1 0 555 1 1"

    assert parse_stat(line) == ProcessTimes(pid=77, parent=42, ticks=127)


def test_a_tree_counts_its_root_and_all_descendants_and_nobody_else() -> None:
    processes = [
        ProcessTimes(pid=30, parent=20, ticks=4),
        ProcessTimes(pid=20, parent=10, ticks=2),
        ProcessTimes(pid=10, parent=1, ticks=1),
        ProcessTimes(pid=11, parent=1, ticks=100),
    ]

    assert tree_ticks(10, processes) == 7
    assert tree_ticks(99, processes) == 0


def test_cores_are_busy_unless_they_idle_or_wait_for_a_disk() -> None:
    assert parse_busy("cpu  100 2 30 99999 8888 4 5 6 50 0") == 147


def test_what_happens_anyway_is_no_cost_of_an_order() -> None:
    costs = per_order(
        before={"brpop": 100, "get": 5},
        after={"brpop": 130, "get": 45, "publish": 20},
        idle_per_s={"brpop": 5.0},
        seconds=6.0,
        orders=20,
    )

    assert costs == {"get": 2.0, "publish": 1.0}


def test_all_orders_there_and_whole_is_what_a_figure_needs() -> None:
    require_none_lost(WHOLE, placed=3)


@pytest.mark.parametrize(
    "tally",
    [
        replace(WHOLE, orders=2, confirmed=2),
        replace(WHOLE, orders=4, confirmed=4),
        replace(WHOLE, confirmed=2),
        replace(WHOLE, confirmed=2, unfinished=1),
        replace(WHOLE, with_gaps=1),
        replace(WHOLE, misexecuted=1),
    ],
)
def test_a_run_that_lost_or_spoiled_an_order_is_refused(tally: Tally) -> None:
    with pytest.raises(Lost, match="3 orders were placed"):
        require_none_lost(tally, placed=3)


def test_a_comparison_gives_the_median_of_the_pairs_ratios_and_the_noise_of_the_old_side() -> None:
    before = [{"ms": 10.0}, {"ms": 20.0}, {"ms": 10.0}]
    after = [{"ms": 11.0}, {"ms": 24.0}, {"ms": 30.0}]

    _, line = table(before, after)

    assert line.split() == ["ms", "10.00", "24.00", "1.200x", "0.500", "to", "2.000"]
