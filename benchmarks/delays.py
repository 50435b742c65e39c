"""Orders per minute with the default delays, against the limit of ten slots.

A slot held only for its quotes waits for the slowest of n venues. The mean of the largest of n
draws, uniform from a to b, is a + (b - a) · n / (n + 1). With the default 150 to 250 ms and two
venues that is 216.7 ms, and ten slots do 10 · 60,000 / 216.7 = 2,769 orders a minute. A slot that
sleeps through settlement is held for 2,500 ms on average: ten slots do 240.
"""

from benchmarks.bench import Bench, Figures
from benchmarks.figures import mean_slowest_ms, slots_per_minute, steady_rate
from benchmarks.stack import Stack
from orderengine.config.settings import Settings
from orderengine.market.venues import VENUES


def measure(bench: Bench, stack: Stack) -> Figures:
    """Run a burst; from the first POST to the last order's end."""
    posted = bench.post(stack, bench.size.orders)
    bench.finish(stack)
    bench.check()
    finished_at = bench.finished_at(posted.order_ids)
    seconds = max(finished_at) - posted.first_sent_at
    settings = Settings.from_env(stack.environ)
    quote, settlement = settings.simulation.quote_latency_ms, settings.simulation.settlement_ms
    quoting_ms = mean_slowest_ms(quote.low, quote.high, len(VENUES))
    bound = slots_per_minute(settings.order_concurrency, quoting_ms)
    steady = steady_rate(finished_at) * 60
    return {
        "orders": bench.size.orders,
        "concurrency": settings.order_concurrency,
        "orders_per_min": bench.size.orders / seconds * 60,
        "steady_orders_per_min": steady,
        "bound_quotes_only_per_min": bound,
        "share_of_bound": steady / bound,
        "sleeping_slots_per_min": slots_per_minute(
            settings.order_concurrency, mean_slowest_ms(settlement.low, settlement.high, 1)
        ),
    }
