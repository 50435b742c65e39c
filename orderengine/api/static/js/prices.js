// The last prices of the chosen symbol: each venue's mid price, the executed prices, and the prices
// that orders wait for.

import { getOrders } from "./api.js";
import { Chart, LAST, axis, legend, line, priceAxis, venueLine } from "./chart.js";
import { compactPrice } from "./curve.js";
import { find, say } from "./dom.js";
import { price, timeOfDay, venue } from "./format.js";
import { Loop } from "./loop.js";
import { waitsFor } from "./terms.js";
import { venuesOf } from "./venues.js";

const WINDOW_S = 600;
const PERIOD_MS = 5_000;
const FILLS = 50;
const LEAST_SPAN_S = 60;
const NEAR = 0.1;

export class Prices {
  #chart = new Chart(find("#prices"), (colors, venues) => options(colors, venues, () => this.#awaited()));
  #seen = new Map(); // symbol -> [{ at, prices }]
  #fills = []; // [{ at, fill }]
  #waiting = []; // orders of any symbol
  #venues = [];
  #now = 0; // the time of the newest quote: all times are the service's
  #symbol = null;
  #loop = new Loop((signal) => this.#readFills(signal), PERIOD_MS);

  show(symbol) {
    if (symbol === this.#symbol) return;
    this.#symbol = symbol;
    this.#fills = [];
    this.#tellCaption();
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

  // The orders that wait now.
  wait(orders) {
    const isOther = JSON.stringify(orders.map(keyOf)) !== JSON.stringify(this.#waiting.map(keyOf));
    this.#waiting = orders;
    if (!isOther || this.#symbol === null) return;
    this.#tellCaption();
    if (this.#venues.length) this.#draw();
  }

  // The prices that orders of this symbol wait for.
  #awaited() {
    const priced = this.#waiting.filter((order) => order.symbol === this.#symbol && priceOf(order) !== undefined);
    return priced.map((order) => ({ text: `${order.side} ${waitsFor(order)}`, at: Number(priceOf(order)) }));
  }

  #tellCaption() {
    const awaited = this.#awaited().length;
    const lines = awaited ? `; dotted: what ${awaited === 1 ? "an order waits" : "orders wait"} for` : "";
    say(find("#prices-caption"), `${this.#symbol}, mid prices while this page is open, and executions${lines}`);
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
    const texts = this.#venues.filter((dex) => dex in lastPrices).map((dex) => `${venue(dex)} ${price(lastPrices[dex])}`);
    const awaited = this.#awaited().map(({ text }) => text);
    return [
      `Last mid prices of ${this.#symbol}: ${texts.join(", ") || "none yet"}`,
      ...(lastFill ? [`executed at ${price(lastFill)}`] : []),
      ...(awaited.length ? [`waiting: ${awaited.join(", ")}`] : []),
    ].join("; ");
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

function keyOf({ orderId, version }) {
  return [orderId, version];
}

function priceOf({ limitPrice, stopPrice }) {
  return limitPrice ?? stopPrice;
}

// A price far away would press the market into a line.
function priceRange(lowest, highest, awaited) {
  if (typeof lowest !== "number") return [null, null];
  const near = awaited.map(({ at }) => at).filter((at) => at > lowest * (1 - NEAR) && at < highest * (1 + NEAR));
  const [low, high] = [Math.min(lowest, ...near), Math.max(highest, ...near)];
  const margin = Math.max((high - low) / 8, high / 2_000);
  return [low - margin, high + margin];
}

function drawAwaited(plot, colors, awaited) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  Object.assign(ctx, { strokeStyle: colors.awaited, fillStyle: colors.awaited, lineWidth: scale, textAlign: "left", textBaseline: "bottom" });
  ctx.font = colors.font.replace(/^[\d.]+/, (size) => size * scale);
  ctx.setLineDash([2 * scale, 3 * scale]);
  for (const { text, at } of awaited) {
    const y = Math.round(plot.valToPos(at, "y", true));
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.fillText(text, bbox.left + 4 * scale, y - 2 * scale);
  }
  ctx.restore();
}

function options(colors, venues, awaited) {
  return {
    hooks: { draw: [(plot) => drawAwaited(plot, colors, awaited())] },
    scales: { x: { range: timeRange }, y: { range: (_, low, high) => priceRange(low, high, awaited()) } },
    axes: [axis(colors, { space: 76, values: (_, splits) => splits.map(atText) }), priceAxis(colors, compactPrice)],
    series: [
      { label: "At", value: legend(atText, LAST) },
      ...venues.map((dex) => venueLine(colors, dex, LAST, { points: { show: false } })),
      line("executed", colors.fill, LAST, { paths: () => null, points: { show: true, size: 7, fill: colors.fill } }),
    ],
  };
}
