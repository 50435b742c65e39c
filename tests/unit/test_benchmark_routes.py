"""`benchmarks.routes`: the same orders each time, tables that fit, a plot that is valid XML."""

import re
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

from benchmarks import route_tables
from benchmarks.plot import Curve, svg
from benchmarks.routes import (
    BUCKETS,
    FIGURES,
    NOON,
    PAGE,
    PLOT,
    cheapest_moments,
    prices,
    random_orders,
)
from orderengine.domain.routing import RouteReason
from orderengine.domain.side import Side
from orderengine.market.venues import VENUES
from tests.web import INSTRUMENTS

ORDERS = list(random_orders(list(INSTRUMENTS), 25))


def test_the_random_orders_are_the_same_each_time_and_of_every_size() -> None:
    again = list(random_orders(list(INSTRUMENTS), 25))
    assert [each.split for each in again] == [each.split for each in ORDERS]
    for low, high in BUCKETS:
        assert sum(low <= each.share <= high for each in ORDERS) == 5


def test_a_gain_is_what_the_split_is_better_by() -> None:
    for each in ORDERS:
        assert each.alone.base_amount == each.split.base_amount
        assert (each.gain_bps > 0) == (each.split.reason is RouteReason.BEST_SPLIT)
        saved = each.alone.quote_amount - each.split.quote_amount
        assert saved >= 0 if each.alone.side is Side.BUY else saved <= 0


@pytest.mark.parametrize("venue", VENUES)
def test_the_shown_moments_are_those_at_which_that_venue_is_cheapest(venue: str) -> None:
    instrument = INSTRUMENTS.get("SOL")
    moments = cheapest_moments(instrument)
    found = prices(instrument, route_tables.SHARES[0], moments[venue])
    assert min(VENUES, key=found.__getitem__) == venue
    assert min(moments.values()) == NOON


def test_the_table_of_a_curve_has_a_column_for_each_venue() -> None:
    row = dict.fromkeys((*VENUES, "split"), Decimal(2))
    header, rule, line = route_tables.curve("heading", {Decimal("0.01"): row}).splitlines()[2:]
    assert header.count("|") == rule.count("|") == line.count("|") == len(VENUES) + 4
    assert header in PAGE.read_text("utf-8")


def test_a_choice_takes_milliseconds() -> None:
    """The bound suits a slow machine under load; the page has the real figures."""
    assert sorted(each.split_ms for each in ORDERS)[len(ORDERS) // 2] < 5
    assert sorted(each.alone_ms for each in ORDERS)[len(ORDERS) // 2] < 2


def test_the_page_has_a_place_for_the_figures_and_the_plot() -> None:
    page = PAGE.read_text("utf-8")
    assert len(FIGURES.findall(page)) == 1
    assert f"]({PLOT.name})" in page
    assert ET.fromstring(PLOT.read_text("utf-8")).tag.endswith("svg")  # noqa: S314


def test_the_tables_have_as_many_cells_in_each_row() -> None:
    gains = route_tables.gains([(each.share, each.split, each.gain_bps) for each in ORDERS])
    times = route_tables.times({"a": [1.0, 2.0], "b": [3.0]})
    for table in (gains, times):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1
    assert "| a | 1.00 ms | 2.00 ms |" in times


def test_the_plot_has_a_line_for_each_curve_inside_of_its_frame() -> None:
    curves = [Curve("a", [(0, 0), (50, 3)]), Curve("b", [(10, -1.5), (50, 7.2)])]
    drawn = ET.fromstring(svg("title", "x", curves))  # noqa: S314
    lines = [each.attrib["points"] for each in drawn.iter() if each.tag.endswith("polyline")]
    assert len(lines) == 2
    numbers = [float(number) for line in lines for number in re.split("[ ,]", line)]
    assert all(0 <= x <= 720 for x in numbers[::2])
    assert all(0 <= y <= 420 for y in numbers[1::2])
