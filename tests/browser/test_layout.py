"""The page at the widths of common windows: nothing is cut, and nothing scrolls to the side."""

import signal
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenDesk
from tests.browser.desk import Desk
from tests.e2e.stack import Stack

WIDTHS = [1440, 1366, 1280, 820, 768, 390, 320]
MIXED = [("BTC", "buy", "0.05"), ("ETH", "sell", "1.25"), ("BONK", "sell", "123456789.5")]
LARGE = {"symbol": "SOL", "quantity": "20000", "maxLegs": "2"}
REFUSAL = "status of 4"

# Finds elements that are too wide: beyond the window, or cut off by a container.
CUT = """() => {
  const isHidden = element => getComputedStyle(element).overflowX !== 'visible'
    && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
  const isBeyond = element => element.getBoundingClientRect().right > innerWidth + 0.5;
  const isOutside = element => element.closest('table')
    && element.scrollWidth > element.closest('.panel').clientWidth;
  return [...document.body.querySelectorAll('*')]
    .filter(element => element.checkVisibility())
    .filter(element => !element.matches('.unseen, .unseen *, .skip, thead, thead *, select'))
    .filter(element => isHidden(element) || isBeyond(element) || isOutside(element))
    .map(element => `${element.tagName} ${element.id} ${element.className}`);
}"""
# A text that begins left of a chart has pixels in the chart's first column.
IS_AT_THE_EDGE = """canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, 1, canvas.height);
  return data.some(part => part > 0);
}"""
COLORS = """() => {
  const probe = document.createElement('p');
  document.body.append(probe);
  const colors = ['accent', 'good', 'bad'].map(name => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(colors);
}"""
STAGES = """() => [...document.querySelectorAll('.stages li')].map(stage => [
  stage.dataset.stage, stage.dataset.state,
  getComputedStyle(stage.querySelector('.bar')).backgroundColor])"""


class Placed(NamedTuple):
    """Orders that have ended, each in its own way."""

    confirmed: str
    split: str
    failed: str
    refused: str


class Stage(NamedTuple):
    name: str
    state: str
    color: str


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    # Venues with close prices, so that a split always suits a large order; and a drift that makes
    # every order without a tolerance fail.
    return {
        "SIM_QUOTE_LATENCY_MS": "50-80",
        "SIM_SETTLEMENT_MS": "300-300",
        "SIM_SPREAD_BPS": "20-40",
        "SIM_DRIFT_BPS": "20-20",
    }


@pytest.fixture(scope="module")
def placed(stack: Stack) -> Placed:
    others = [stack.post(*order) for order in MIXED]
    found = Placed(
        confirmed=stack.post("AAPL", "buy", "10"),
        split=stack.post("SOL", "buy", "20000", maxLegs=2),
        failed=stack.post("NVDA", "buy", "10", slippageBps=0),
        refused=stack.post("AAPL", "buy", "10", worstPrice="1"),
    )
    followed = stack.follow_many([*others, *found])
    ends = [each.statuses[-1] for each in followed]
    assert ends == ["confirmed"] * 5 + ["failed"] * 2
    return found


def show(desk: Desk, order_id: str, **values: str) -> None:
    """Show an order that has ended, and the quotes and charts of a symbol."""
    desk.open(f"/?order={order_id}")
    desk.link("ended")
    desk.fill(**values)
    expect(desk.page.locator("#quotes[data-stale]")).to_have_count(0)
    for chart in ("#curve", "#prices"):
        expect(desk.page.locator(f"{chart} .u-legend")).to_contain_text("Meteora")


def assert_nothing_is_cut(desk: Desk) -> None:
    assert desk.overflow_px() == 0
    assert desk.page.evaluate(CUT) == []
    for chart in ("#curve", "#prices"):
        assert not desk.page.locator(f"{chart} canvas").evaluate(IS_AT_THE_EDGE), chart


def stages(page: Page) -> list[Stage]:
    return [Stage(*each) for each in page.evaluate(STAGES)]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_and_nothing_scrolls_to_the_side(
    open_desk: OpenDesk, placed: Placed, width: int
) -> None:
    desk = open_desk(viewport={"width": width, "height": 768}, reduced_motion="reduce")
    desk.expected += [REFUSAL, "willReadFrequently"]
    show(desk, placed.failed, symbol="BONK", quantity="1000000")
    assert_nothing_is_cut(desk)
    expect(desk.page.locator(".attempt")).to_have_count(3)
    panel = desk.page.locator("#order")
    assert panel.evaluate("each => each.scrollHeight - each.clientHeight") == 0
    show(desk, placed.split, **LARGE)
    expect(desk.page.locator(".legs tbody tr")).to_have_count(2)
    assert_nothing_is_cut(desk)


@pytest.mark.parametrize("color_scheme", ["dark", "light"])
def test_the_progress_shows_how_the_order_ended(
    open_desk: OpenDesk, placed: Placed, color_scheme: str
) -> None:
    desk = open_desk(color_scheme=color_scheme, reduced_motion="reduce")
    colors = desk.page.evaluate(COLORS)
    ways = {"confirmed": "good", "failed": "bad", "refused": "bad"}
    done = {}
    for name, color in ways.items():
        desk.open(f"/?order={getattr(placed, name)}")
        desk.link("ended")
        *before, end = stages(desk.page)
        status = "confirmed" if name == "confirmed" else "failed"
        assert end == (status, "end", colors[color])
        assert [each.name for each in before] == ["pending", "routing", "building", "submitted"]
        reached = 2 if name == "refused" else 4
        states = [each.state for each in before]
        assert states == ["done"] * reached + ["idle"] * (4 - reached)
        done[name] = {each.color for each in before if each.state == "done"}
    assert done["failed"] == done["refused"]
    assert not done["failed"] & done["confirmed"]
    assert colors["accent"] not in done["failed"] | done["confirmed"]


def test_a_stage_that_took_less_than_a_millisecond_was_reached(desk: Desk) -> None:
    reached = desk.page.evaluate(
        """async () => {
            const { stageTimes } = await import("/static/js/history.js");
            const at = "2026-11-24T23:39:37.413310Z";
            const events = [{ status: "pending", at }, { status: "routing", at }];
            return [...stageTimes(events, Date.parse(at))];
        }"""
    )
    assert reached == [["pending", 0], ["routing", 0]]


def test_an_order_on_its_way_has_its_end_before_it(desk: Desk, stack: Stack) -> None:
    stack.kill("worker", signal.SIGSTOP)  # so that the order stays open
    try:
        desk.submit(symbol="AAPL", quantity="1")
        desk.page.wait_for_function(
            "() => document.querySelector('.stages li[data-state=current]')"
            "?.nextElementSibling && document.querySelector('.stages li:last-child')"
            ".dataset.state === 'idle'"
        )
    finally:
        stack.kill("worker", signal.SIGCONT)
    desk.wait_for("confirmed")
    last = desk.page.locator(".stages li").last
    expect(last).to_have_attribute("data-stage", "confirmed")
    expect(last).to_have_attribute("data-state", "end")
