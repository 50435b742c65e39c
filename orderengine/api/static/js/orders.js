// The recent orders: filtered, a page at a time, kept up to date.

import { Refused, getOrders } from "./api.js";
import { el, fill, find, say } from "./dom.js";
import { NONE, asked, between, moment, price, seconds, slippage, venues } from "./format.js";
import { Loop } from "./loop.js";
import { nameOf } from "./reasons.js";
import { OPEN, TERMINAL } from "./statuses.js";
import { waitsFor } from "./terms.js";

const PERIOD_MS = 3_000;
const PAGE = 12;

export class Orders {
  #rows = find("#orders-table tbody");
  #filters = find("#filters");
  #newer = find("#newer");
  #older = find("#older");
  #note = find("#page-note");
  #cursors = [""]; // one for each page up to the one that is shown
  #next = null;
  #shown = null;
  #onOpen;
  #loop = new Loop((signal) => this.#refresh(signal), PERIOD_MS);

  // `onOpen(orderId)` when one is chosen.
  constructor(onOpen) {
    this.#onOpen = onOpen;
    this.#filters.elements.status.append(...[...OPEN, ...TERMINAL].map((status) => el("option", {}, status)));
    this.#filters.addEventListener("change", () => this.#turnTo([""]));
    this.#filters.addEventListener("submit", (event) => event.preventDefault());
    this.#newer.addEventListener("click", () => this.#turnTo(this.#cursors.slice(0, -1)));
    this.#older.addEventListener("click", () => this.#turnTo([...this.#cursors, this.#next]));
    this.#rows.addEventListener("click", (event) => this.#clicked(event));
    this.#loop.soon();
  }

  offer(instruments) {
    const options = instruments.map(({ symbol }) => el("option", {}, symbol));
    this.#filters.elements.symbol.append(...options);
  }

  refresh() {
    this.#loop.soon(150);
  }

  mark(orderId) {
    this.#shown = orderId;
    for (const row of this.#rows.rows) row.setAttribute("aria-current", String(row.dataset.orderId === orderId));
  }

  #turnTo(cursors) {
    this.#cursors = cursors;
    this.#loop.soon();
  }

  #clicked(event) {
    const row = event.target.closest("tr[data-order-id]");
    const wantsTab = event.ctrlKey || event.metaKey || event.shiftKey;
    if (!row || wantsTab || getSelection().toString()) return;
    event.preventDefault();
    this.#onOpen(row.dataset.orderId);
  }

  async #refresh(signal) {
    const { status, symbol } = Object.fromEntries(new FormData(this.#filters));
    const wanted = { status, symbol, limit: PAGE, cursor: this.#cursors.at(-1) };
    try {
      const { orders, nextCursor } = await getOrders(wanted, signal);
      this.#next = nextCursor;
      this.#draw(orders, Boolean(status || symbol));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      say(this.#note, error.message);
    }
  }

  #draw(orders, isFiltered) {
    const focused = document.activeElement?.closest("tr")?.dataset.orderId;
    const none = isFiltered ? "No order fits the filter." : "No orders yet.";
    fill(this.#rows, orders.length ? orders.map(rowView) : el("tr", {}, el("td", { colspan: 9, class: "empty" }, none)));
    this.mark(this.#shown);
    if (focused) this.#rows.querySelector(`tr[data-order-id="${focused}"] a`)?.focus({ preventScroll: true });
    this.#newer.disabled = this.#cursors.length === 1;
    this.#older.disabled = this.#next === null;
    say(this.#note, `Page ${this.#cursors.length}`);
  }
}

function rowView(order) {
  const isOver = TERMINAL.has(order.status);
  return el(
    "tr",
    { "data-order-id": order.orderId },
    cell("Placed", el("a", { href: `/?order=${order.orderId}` }, moment(order.createdAt))),
    cell("Order", el("span", { class: "side", "data-side": order.side }, order.side), ` ${asked(order)}`, el("span", { class: "hint" }, waitsFor(order) && ` ${waitsFor(order)}`)),
    cell("Status", el("span", { class: "status", "data-status": order.status, title: order.reason && `${order.reason}: ${order.detail}` }, order.reason ? nameOf(order.reason) : order.status)),
    cell("Venue", venues(order.dex)),
    figure("Quoted", price(order.quotedPrice), order.quotedPrice),
    figure("Executed", price(order.executedPrice), order.executedPrice),
    figure("Slippage", slippage(order.slippagePct), order.slippagePct && `${order.slippagePct} %`),
    figure("Took", isOver ? seconds(between(order.createdAt, order.updatedAt)) : NONE),
    figure("Attempts", String(order.attempt)),
  );
}

function cell(name, ...content) {
  return el("td", { "data-name": name }, content);
}

function figure(name, text, title) {
  return el("td", { "data-name": name, class: "number", title }, text);
}
