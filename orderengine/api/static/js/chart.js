// uPlot in the page's colors and at its panels' widths.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { group, price, venue } from "./format.js";
import { dashOf } from "./venues.js";

const PLOT_PX = 200;
const AXIS_GAP_PX = 12;
const measure = document.createElement("canvas").getContext("2d");
const charts = new Set();

// `describe` gets the theme and the venues and returns uPlot's options, again when one of them changes.
export class Chart {
  #root;
  #describe;
  #venues = [];
  #data;
  #plot = null;

  constructor(root, describe) {
    this.#root = root;
    this.#describe = describe;
    charts.add(this);
    new ResizeObserver(() => this.#resize()).observe(root);
  }

  // `description` describes the chart for screen readers.
  show(venues, data, description) {
    const isOfTheSame = this.#plot !== null && venues.join() === this.#venues.join();
    this.#venues = venues;
    this.#data = data;
    if (isOfTheSame) this.#plot.setData(data);
    else this.draw();
    this.#root.setAttribute("aria-label", description);
  }

  draw() {
    if (!this.#data) return;
    this.#plot?.destroy();
    const options = { ...this.#size(), ...this.#describe(theme(), this.#venues) };
    this.#plot = new uPlot(options, this.#data, this.#root);
  }

  #resize() {
    if (this.#plot) this.#plot.setSize(this.#size());
  }

  // The legend stands below the plot and is not counted in uPlot's height.
  #size() {
    return { width: this.#root.clientWidth, height: PLOT_PX };
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.draw()));

function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: color("muted"),
    grid: color("line"),
    venue: (dex) => color(dex) || color("other"),
    fill: color("good"),
    awaited: color("warn"),
    font: `11px ${style.getPropertyValue("--sans")}`,
  };
}

export function axis(colors, more = {}) {
  return {
    stroke: colors.text,
    font: colors.font,
    grid: { stroke: colors.grid, width: 1 },
    ticks: { show: false },
    size: 30,
    ...more,
  };
}

// An axis of prices, as wide as its longest text: prices of cheap tokens have many digits.
export function priceAxis(colors, textOf) {
  return axis(colors, { size: (_, texts) => widthOf(texts ?? [], colors.font), values: (_, splits) => splits.map(textOf) });
}

function widthOf(texts, font) {
  measure.font = font;
  return Math.ceil(AXIS_GAP_PX + Math.max(...["0,000", ...texts].map((text) => measure.measureText(text).width)));
}

// The values of the legend while nobody points at the chart.
export const FIRST = (values) => values[0];
export const LAST = (values) => values.findLast((value) => value !== null && value !== undefined);

export function legend(textOf, atRest) {
  return (plot, value, series, index) => {
    const shown = (index ?? null) === null ? atRest(plot.data[series]) : value;
    return shown === null || shown === undefined ? "–" : textOf(shown);
  };
}

export function line(label, stroke, atRest, more = {}) {
  return { label, stroke, width: 1.75, value: legend(price, atRest), ...more };
}

export function venueLine(colors, dex, atRest, more) {
  return line(venue(dex), colors.venue(dex), atRest, { dash: dashOf(dex), ...more });
}

// 0.1, 1,000, 2.5M: short enough for an axis.
export function compact(number) {
  if (number >= 1e9) return `${group(number / 1e9, 1, 0)}B`;
  if (number >= 1e6) return `${group(number / 1e6, 1, 0)}M`;
  if (number >= 1e4) return `${group(number / 1e3, 1, 0)}k`;
  return number >= 1 ? group(number, 1, 0) : String(Number(number.toPrecision(3)));
}
