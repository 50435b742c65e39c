// Effective price against size for each venue: some sizes are quoted, one after the other.

import { Refused, getQuotes } from "./api.js";
import { Chart, FIRST, axis, compact, legend, priceAxis, venueLine } from "./chart.js";
import { find, say } from "./dom.js";
import { group, price as priceText, venue } from "./format.js";
import { Loop } from "./loop.js";
import { venuesOf } from "./venues.js";

const USDC_SIZES = [300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000];
const FRESH_MS = 30_000;
const PAUSE_MS = 100;

export class Curve {
  #chart = new Chart(find("#curve"), options);
  #venues = [];
  #caption = find("#curve-caption");
  #known = new Map(); // symbol and side -> { at, points }
  #wanted = null;
  #loop = new Loop((signal) => this.#quoteSizes(signal), FRESH_MS);

  // `route`: a recent one, whose price turns sizes in USDC into quantities.
  show({ symbol, side }, instrument, route) {
    this.#venues = venuesOf(route);
    const name = `${symbol} ${side}`;
    if (name === this.#wanted?.name) return;
    this.#wanted = { name, symbol, side, sizes: sizesOf(instrument, Number(route.quotedPrice)) };
    const known = this.#known.get(name);
    this.#draw(known?.points ?? []);
    const ageMs = known ? performance.now() - known.at : FRESH_MS;
    this.#loop.soon(Math.max(0, FRESH_MS - ageMs));
  }

  // The curve of another symbol or side is gone at once: there may be no quote for this one.
  forget({ symbol, side }) {
    if (this.#wanted === null || this.#wanted.name === `${symbol} ${side}`) return;
    this.#loop.stop();
    this.#wanted = null;
    say(this.#caption, "from the first quote on");
    this.#chart.show(this.#venues, [[], ...this.#venues.map(() => [])], `Effective price of ${symbol} by size, ${side}: no quote yet`);
  }

  async #quoteSizes(signal) {
    const { name, symbol, side, sizes } = this.#wanted;
    const points = [];
    for (const quantity of sizes) {
      const point = await quotePoint({ symbol, side, quantity }, signal);
      if (point === null) break; // beyond the pools, like every larger size
      points.push(point);
      if (!this.#known.has(name)) this.#draw(points);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      signal.throwIfAborted();
    }
    this.#known.set(name, { at: performance.now(), points });
    this.#draw(points);
  }

  #draw(points) {
    const { symbol, side } = this.#wanted;
    say(this.#caption, `USDC for one ${symbol}, ${side}, fees and impact included`);
    const lines = this.#venues.map((dex) => points.map(({ prices }) => prices.get(dex) ?? null));
    this.#chart.show(this.#venues, [points.map(({ quantity }) => Number(quantity)), ...lines], this.#description(points));
  }

  #description(points) {
    const { symbol, side } = this.#wanted;
    const ends = points.length > 1 ? [points[0], points.at(-1)] : points;
    const texts = ends.map(({ quantity, prices }) => {
      const each = this.#venues.filter((dex) => prices.has(dex)).map((dex) => `${venue(dex)} ${priceText(prices.get(dex))}`);
      return `for ${compact(Number(quantity))}: ${each.join(", ")}`;
    });
    return [`Effective price of ${symbol} by size, ${side}`, ...texts].join("; ");
  }
}

async function quotePoint(wanted, signal) {
  try {
    const { quotes } = await getQuotes(wanted, signal);
    return { quantity: wanted.quantity, prices: new Map(quotes.map((each) => [each.dex, Number(each.price)])) };
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

// Quantities worth about the sizes in USDC, to two significant digits and in the instrument's steps.
function sizesOf(instrument, price) {
  const decimals = (instrument.quantityStep.split(".")[1] ?? "").length;
  const rounded = USDC_SIZES.map((usdc) => Number((usdc / price).toPrecision(2)));
  const allowed = rounded.filter((size) => size >= Number(instrument.minQuantity) && size <= Number(instrument.maxQuantity));
  return [...new Set(allowed.map((size) => size.toFixed(decimals).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")))];
}

function options(colors, venues) {
  return {
    scales: { x: { time: false, distr: 3 } },
    axes: [
      axis(colors, {
        grid: { stroke: colors.grid, width: 1, filter: (_, splits) => splits.map(ifPowerOfTen) },
        values: (_, splits) => splits.map((split) => (split === null ? "" : compact(split))),
      }),
      priceAxis(colors, compactPrice),
    ],
    series: [
      { label: "Size", value: legend(compact, FIRST) },
      ...venues.map((dex) => venueLine(colors, dex, FIRST, { points: { show: true, size: 5 } })),
    ],
  };
}

function ifPowerOfTen(split) {
  return Number.isInteger(Number(Math.log10(split).toFixed(9))) ? split : null;
}

export function compactPrice(number) {
  if (number >= 1e6) return compact(number);
  return number >= 10_000 ? group(number, 0) : String(Number(number.toPrecision(5)));
}
