// The last prices of the chosen symbol: each venue's mid price, and the executed prices.

import { getOrders } from "./api.js";
import { Chart, LAST, axis, legend, line, priceAxis, venueLine } from "./chart.js";
import { compactPrice } from "./curve.js";
import { find, say } from "./dom.js";
import { price, timeOfDay } from "./format.js";
import { Loop } from "./loop.js";
import { venuesOf } from "./venues.js";

const WINDOW_S = 600;
const PERIOD_MS = 5_000;
const FILLS = 50;
const LEAST_SPAN_S = 60;

export class Prices {
  #chart = new Chart(find("#prices"), options);
  #seen = new Map(); // symbol -> [{ at, prices }]
  #fills = []; // [{ at, fill }]
  #venues = [];
  #now = 0; // the time of the newest quote: all times are the service's
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

  add(symbol, route) {
    const seen = this.#seen.get(symbol) ?? [];
    const at = Math.max(...route.quotes.map(({ quotedAt }) => secondsOf(quotedAt)));
    const row = { at, prices: Object.fromEntries(route.quotes.map(({ dex, midPrice }) => [dex, Number(midPrice)])) };
    this.#seen.set(symbol, [...seen.filter((each) => each.at > at - WINDOW_S), row]);
    this.#venues = venuesOf(route);
    this.#now = Math.max(this.#now, at);
    if (symbol === this.#symbol) this.#draw();
  }

  refresh() {
    if (this.#symbol) this.#loop.soon();
  }

  async #readFills(signal) {
    const symbol = this.#symbol;
    const { orders } = await getOrders({ symbol, status: "confirmed", limit: FILLS }, signal);
    this.#fills = orders.map(({ landedAt, executedPrice }) => ({ at: secondsOf(landedAt), fill: Number(executedPrice) }));
    this.#draw();
  }

  #draw() {
    const known = this.#now ? [...(this.#seen.get(this.#symbol) ?? []), ...this.#fills] : [];
    const rows = known.filter(({ at }) => at > this.#now - WINDOW_S).sort((one, other) => one.at - other.at);
    // undefined joins over a row of the other kind, null would cut the line there.
    const lines = this.#venues.map((dex) => rows.map(({ prices }) => prices?.[dex]));
    const times = rows.map(({ at }) => at);
    this.#chart.show(this.#venues, [times, ...lines, rows.map(({ fill }) => fill)], this.#description(rows));
  }

  #description(rows) {
    const lastPrices = rows.findLast(({ prices }) => prices)?.prices ?? {};
    const lastFill = rows.findLast(({ fill }) => fill)?.fill;
    const texts = this.#venues.filter((dex) => dex in lastPrices).map((dex) => `${dex} ${price(lastPrices[dex])}`);
    return [`Last mid prices of ${this.#symbol}: ${texts.join(", ") || "none yet"}`, ...(lastFill ? [`executed at ${price(lastFill)}`] : [])].join("; ");
  }
}

function secondsOf(text) {
  return Date.parse(text) / 1000;
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

function options(colors, venues) {
  return {
    scales: { x: { range: timeRange }, y: { range: priceRange } },
    axes: [axis(colors, { space: 76, values: (_, splits) => splits.map(atText) }), priceAxis(colors, compactPrice)],
    series: [
      { label: "At", value: legend(atText, LAST) },
      ...venues.map((dex) => venueLine(colors, dex, LAST, { points: { show: false } })),
      line("executed", colors.fill, LAST, { paths: () => null, points: { show: true, size: 7, fill: colors.fill } }),
    ],
  };
}
