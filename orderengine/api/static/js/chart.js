// uPlot in the page's colors and at its panels' widths.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { group, price } from "./format.js";

const LEGEND_PX = 44; // two lines
const charts = new Set();

// `describe` gets the theme and answers uPlot's options; called again when the colors change.
export class Chart {
  #root;
  #describe;
  #data;
  #plot = null;

  constructor(root, describe, empty) {
    this.#root = root;
    this.#describe = describe;
    this.#data = empty;
    charts.add(this);
    new ResizeObserver(() => this.#resize()).observe(root);
  }

  show(data) {
    this.#data = data;
    if (this.#plot) this.#plot.setData(data);
    else this.draw();
  }

  // Make it anew: with other colors, or where the options depend on something that has changed.
  draw() {
    this.#plot?.destroy();
    const options = { ...this.#size(), ...this.#describe(theme()) };
    this.#plot = new uPlot(options, this.#data, this.#root);
  }

  #resize() {
    if (this.#plot) this.#plot.setSize(this.#size());
  }

  // The legend stands below the plot and is not counted in uPlot's height.
  #size() {
    return { width: this.#root.clientWidth, height: Math.max(40, this.#root.clientHeight - LEGEND_PX) };
  }
}

for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
  matchMedia(query).addEventListener("change", () => charts.forEach((chart) => chart.draw()));
}

export function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: color("muted"),
    grid: color("line"),
    raydium: color("raydium"),
    meteora: color("meteora"),
    fill: color("good"),
    accent: color("accent"),
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

export function line(label, stroke, more = {}) {
  return { label, stroke, width: 1.75, value: (_, value) => (value === null || value === undefined ? "–" : price(value)), ...more };
}

// 0.1, 1,000, 2.5M: as short as an axis wants it.
export function compact(number) {
  if (number >= 1e9) return `${group(number / 1e9, 1, 0)}B`;
  if (number >= 1e6) return `${group(number / 1e6, 1, 0)}M`;
  if (number >= 1e4) return `${group(number / 1e3, 1, 0)}k`;
  return number >= 1 ? group(number, 1, 0) : String(Number(number.toPrecision(3)));
}
