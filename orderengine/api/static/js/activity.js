// Throughput and latency of the last minutes, from the orders themselves.

import { getOrders } from "./api.js";
import { el, fill, find } from "./dom.js";
import { NONE, between, group, percent, seconds } from "./format.js";
import { Loop } from "./loop.js";
import { TERMINAL } from "./statuses.js";
import { startsAtOnce } from "./terms.js";

const WINDOW_MS = 300_000;
const PERIOD_MS = 5_000;
const PAGE = 100;
const PAGES = 5;
const BINS = 30;

export class Activity {
  #root = find("#activity");
  #loop = new Loop((signal) => this.#refresh(signal), PERIOD_MS);

  constructor() {
    this.#loop.soon();
  }

  async #refresh(signal) {
    const { orders, isWhole, now } = await recentOrders(signal);
    const spanMs = isWhole ? WINDOW_MS : now - Date.parse(orders.at(-1).createdAt);
    const ended = orders.filter(({ status }) => TERMINAL.has(status));
    const confirmed = ended.filter(({ status }) => status === "confirmed");
    const failed = ended.filter(({ status }) => status === "failed");
    // How long an order waited for its price tells nothing about the service.
    const took = confirmed.filter(startsAtOnce).map((order) => between(order.createdAt, order.updatedAt)).sort((a, b) => a - b);
    const lastMinute = ended.filter((order) => now - Date.parse(order.updatedAt) < 60_000);
    this.#root.title = `Of the orders placed in the last ${span(spanMs)}`;
    fill(
      this.#root,
      figure(`Ended, ${span(spanMs)}`, `${ended.length}`, spark(ended, now)),
      figure("Last minute", `${isWhole ? "" : "over "}${lastMinute.length}`),
      figure("Failed", ended.length ? percent((10_000 * failed.length) / ended.length) : NONE),
      figure("Median", quantile(took, 0.5)),
      figure("p95", quantile(took, 0.95)),
      figure("Open of these", `${orders.length - ended.length}`),
    );
  }
}

// The window ends now, or at the newest time of the database's clock: this machine's may be slow.
async function recentOrders(signal) {
  const orders = [];
  let cursor = "";
  let now = 0;
  for (let page = 0; page < PAGES && cursor !== null; page++) {
    const answer = await getOrders({ limit: PAGE, cursor }, signal);
    orders.push(...answer.orders);
    now = Math.max(Date.now(), ...orders.map(({ updatedAt }) => Date.parse(updatedAt)));
    cursor = answer.nextCursor;
    if (orders.length && now - Date.parse(orders.at(-1).createdAt) > WINDOW_MS) cursor = null;
  }
  const isWhole = cursor === null;
  return { orders: orders.filter((order) => now - Date.parse(order.createdAt) <= WINDOW_MS), isWhole, now };
}

function span(ms) {
  return ms === WINDOW_MS ? `${group(ms / 60_000, 0)} min` : `${group(ms / 1000, 0)} s`;
}

function quantile(sorted, share) {
  return sorted.length ? seconds(sorted[Math.ceil(share * sorted.length) - 1]) : NONE;
}

function figure(name, value, more = null) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value, more));
}

// Orders that ended in each ten seconds, oldest first.
function spark(ended, now) {
  const bins = new Array(BINS).fill(0);
  for (const order of ended) {
    const age = Math.floor((now - Date.parse(order.updatedAt)) / (WINDOW_MS / BINS));
    if (age >= 0 && age < BINS) bins[BINS - 1 - age] += 1;
  }
  const most = Math.max(1, ...bins);
  const bars = bins.map((count) => {
    const bar = el("i");
    bar.style.height = `${Math.max(4, (100 * count) / most)}%`;
    return bar;
  });
  return el("span", { class: "spark", "aria-hidden": "true" }, bars);
}
