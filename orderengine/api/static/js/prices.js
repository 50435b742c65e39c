// The last prices of the chosen symbol: each venue's mid price, and what was executed.

import { getOrders } from "./api.js";
import { Chart, axis, line } from "./chart.js";
import { compactPrice } from "./curve.js";
import { find, say } from "./dom.js";
import { timeOfDay } from "./format.js";
import { Loop } from "./loop.js";

const WINDOW_S = 600;
const PERIOD_MS = 5_000;
const FILLS = 50;
const LEAST_SPAN_S = 60;

export class Prices {
  #chart = new Chart(find("#prices"), (colors) => options(colors), [[], [], [], []]);
  #seen = new Map(); // symbol -> [{ at, raydium, meteora }]
  #fills = [];
  #symbol = null;
  #loop = new Loop((signal) => this.#readFills(signal), PERIOD_MS);

  show(symbol) {
    if (symbol === this.#symbol) return;
    this.#symbol = symbol;
    this.#fills = [];
    say(find("#prices-caption"), `${symbol}, mid prices while this page is open, and executions`);
    this.#draw();
    this.#loop.soon();
  }

  add(symbol, quotes) {
    const seen = this.#seen.get(symbol) ?? [];
    const row = { at: Date.now() / 1000 };
    for (const { dex, midPrice } of quotes) row[dex] = Number(midPrice);
    this.#seen.set(symbol, [...seen.filter(({ at }) => at > row.at - WINDOW_S), row]);
    if (symbol === this.#symbol) this.#draw();
  }

  refresh() {
    if (this.#symbol) this.#loop.soon();
  }

  async #readFills(signal) {
    const symbol = this.#symbol;
    const { orders } = await getOrders({ symbol, status: "confirmed", limit: FILLS }, signal);
    this.#fills = orders.map(({ landedAt, executedPrice }) => ({ at: Date.parse(landedAt) / 1000, fill: Number(executedPrice) }));
    this.#draw();
  }

  #draw() {
    const from = Date.now() / 1000 - WINDOW_S;
    const rows = [...(this.#seen.get(this.#symbol) ?? []), ...this.#fills].filter(({ at }) => at > from);
    rows.sort((one, other) => one.at - other.at);
    // undefined joins over a row of the other kind, null would cut the line there.
    this.#chart.show([rows.map(({ at }) => at), ...["raydium", "meteora", "fill"].map((name) => rows.map((row) => row[name]))]);
  }
}

function atText(at) {
  return timeOfDay(new Date(at * 1000));
}

// A few seconds, or a single price, would stretch over the whole chart.
function timeRange({ data: [times] }, from, given) {
  const to = times.length === 1 ? from : given; // uPlot gives a single point a whole day
  return times.length === 0 ? [null, null] : [Math.min(from, to - LEAST_SPAN_S), to];
}

function priceRange(_, low, high) {
  if (typeof low !== "number") return [null, null];
  const margin = Math.max((high - low) / 8, high / 2_000);
  return [low - margin, high + margin];
}

function options(colors) {
  return {
    scales: { x: { range: timeRange }, y: { range: priceRange } },
    axes: [axis(colors, { space: 76, values: (_, splits) => splits.map(atText) }), axis(colors, { size: 62, values: (_, splits) => splits.map(compactPrice) })],
    series: [
      { label: "At", value: (_, at) => (at === null ? "–" : atText(at)) },
      line("raydium", colors.raydium, { points: { show: false } }),
      line("meteora", colors.meteora, { points: { show: false }, dash: [6, 3] }),
      line("executed", colors.fill, { paths: () => null, points: { show: true, size: 7, fill: colors.fill } }),
    ],
  };
}
