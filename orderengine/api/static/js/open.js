// The open orders: each can be canceled, and changed while it waits.

import { Amendment } from "./amendment.js";
import { Locked, Refused, Unavailable, cancelOrder, cancelOrders, getOrder, getOrders } from "./api.js";
import { el, find, refill, say } from "./dom.js";
import { asked, group, price } from "./format.js";
import { Loop } from "./loop.js";
import { reasonText, sentence } from "./reasons.js";
import { ANY_OPEN, TERMINAL } from "./statuses.js";
import { conditionOf, holdsText } from "./terms.js";

const PERIOD_MS = 2_000;
const MOST = 50;

export class OpenOrders {
  #panel = find("#open");
  #list = find("#open-list");
  #rows = find("#open-table tbody");
  #note = find("#open-note");
  #all = find("#cancel-all");
  #asked = new Set(); // orders whose cancel was asked for here
  #requested = new Set(); // those of them that the network decides about
  #orders = new Map();
  #amended = null; // the order whose change is told
  #rowPx = 0; // the height of the highest row
  #amendment;
  #confirmation;
  #listeners;
  #loop = new Loop((signal) => this.#refresh(signal), PERIOD_MS);

  // `onOpen(orderId)` if one is chosen, `onOrders(orders)` with those that wait, `onChange()` after
  // a cancel or a change.
  constructor(confirmation, listeners) {
    this.#confirmation = confirmation;
    this.#listeners = listeners;
    this.#amendment = new Amendment(confirmation, (orderId, text) => {
      this.#changed("done", text);
      this.#amended = orderId;
    });
    this.#rows.addEventListener("click", (event) => this.#clicked(event));
    this.#all.addEventListener("click", () => void this.#cancelAll());
    this.#loop.soon();
  }

  refresh() {
    this.#loop.soon(100);
  }

  // True if the end of this order is told here, since it was canceled here.
  tells({ orderId, status }) {
    return TERMINAL.has(status) && this.#asked.has(orderId);
  }

  async #refresh(signal) {
    try {
      const { orders, nextCursor } = await getOrders({ status: ANY_OPEN, limit: MOST }, signal);
      this.#draw(orders);
      say(find("#open-more"), nextCursor === null ? "" : `The newest ${MOST} of more: the recent orders have the others.`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#tell("refused", error.message);
    }
    for (const orderId of this.#requested) {
      if (!this.#orders.has(orderId)) this.#tellEnd(await getOrder(orderId, signal));
    }
  }

  #draw(orders) {
    const hadFocus = this.#rows.contains(document.activeElement);
    this.#orders = new Map(orders.map((order) => [order.orderId, order]));
    const none = el("tr", {}, el("td", { colspan: 5, class: "empty" }, "No open orders."));
    refill(this.#rows, orders.length ? orders.map(rowView) : none);
    this.#makeRoom();
    if (this.#amended !== null && !this.#orders.has(this.#amended)) this.#tell("none", ""); // it has ended with those terms
    if (hadFocus && document.activeElement === document.body) this.#panel.focus({ preventScroll: true });
    this.#all.hidden = orders.length === 0;
    this.#listeners.onOrders(orders.filter(({ status }) => status === "waiting"));
  }

  // Room for one order beside those that wait: it may start and end at once, and nothing below jumps.
  #makeRoom() {
    const heights = [...this.#rows.rows].filter(({ dataset }) => dataset.orderId).map((row) => [this.#orders.get(row.dataset.orderId).status, row.getBoundingClientRect().height]);
    const waiting = heights.filter(([status]) => status === "waiting").map(([, height]) => height);
    this.#rowPx = heights.length ? Math.max(...heights.map(([, height]) => height)) : this.#rowPx;
    const head = this.#rows.getBoundingClientRect().top - this.#list.getBoundingClientRect().top;
    this.#list.style.minHeight = `${waiting.reduce((sum, height) => sum + height, head + this.#rowPx)}px`;
  }

  #clicked(event) {
    const order = this.#orders.get(event.target.closest("tr")?.dataset.orderId);
    const action = event.target.closest("button, a")?.dataset.action;
    if (!order || !action || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (action === "cancel") void this.#cancel(order);
    else if (action === "amend") this.#amendment.open(order);
    else this.#listeners.onOpen(order.orderId);
  }

  async #cancel(order) {
    this.#tell("asking", `Canceling ${nameOf(order)}.`);
    this.#asked.add(order.orderId);
    await this.#asking(async () => {
      const now = await cancelOrder(order.orderId);
      if (TERMINAL.has(now.status)) return this.#changed("done", `Canceled: ${nameOf(now)}.`);
      this.#requested.add(now.orderId);
      this.#changed("asking", `${sentence(nameOf(now))} is sent already: the network decides if it is canceled or filled.`);
    }, order.orderId);
  }

  async #cancelAll() {
    const count = this.#orders.size;
    const told = ["Every order that is open is canceled; of those that are sent already the network decides."];
    if (!(await this.#confirmation.asks(`Cancel ${count === MOST ? "all" : group(count, 0)} open orders?`, "Cancel all", told))) return;
    await this.#asking(async () => {
      const { canceled, requested, tooLate, refused } = await cancelOrders({ all: true });
      const parts = [`${group(canceled, 0)} canceled`];
      if (requested) parts.push(`${group(requested, 0)} sent already, so the network decides`);
      if (tooLate) parts.push(`${group(tooLate, 0)} too late`);
      if (refused) parts.push(`${group(refused, 0)} not canceled: an operator has to look at them`);
      this.#changed(refused ? "refused" : "done", `${parts.join("; ")}.`);
    });
  }

  // A cancel changes nothing twice, so after a lost answer the user may ask again.
  async #asking(request, orderId = null) {
    try {
      await request();
    } catch (error) {
      if (!error.order) this.#asked.delete(orderId); // its end is not told here
      if (error instanceof Refused && error.order) this.#changed("refused", tooLateText(error.order));
      else if (error instanceof Refused || error instanceof Locked) this.#changed("refused", `Not canceled: ${error.message}.`);
      else if (error instanceof Unavailable) this.#tell("refused", `No answer: ${error.message}. Ask again: repeating a cancel is safe.`);
      else throw error;
    }
  }

  // How an order ended whose cancel was requested while it was under way.
  #tellEnd(order) {
    if (!TERMINAL.has(order.status)) return;
    this.#requested.delete(order.orderId);
    if (order.status === "canceled") this.#tell("done", `Canceled: ${nameOf(order)}.`);
    else this.#tell("refused", tooLateText(order));
  }

  #changed(state, text) {
    this.#tell(state, text);
    this.refresh();
    this.#listeners.onChange();
  }

  #tell(state, text) {
    this.#amended = null;
    this.#note.dataset.state = state;
    say(this.#note, text);
  }
}

function nameOf(order) {
  const condition = conditionOf(order);
  return `${order.side} ${asked(order)}${condition && `, ${condition}`}`;
}

function tooLateText(order) {
  return `The cancel came too late: ${nameOf(order)} ${endText(order)}.`;
}

function endText({ status, executedPrice, reason }) {
  if (executedPrice !== undefined) return `was executed at ${price(executedPrice)} USDC`;
  if (reason !== undefined) return `has ended: ${reasonText(reason)}`;
  return `is ${status}`;
}

function rowView(order) {
  const { orderId, side, status } = order;
  const name = nameOf(order);
  const isRequested = order.cancelRequestedAt !== undefined;
  return el(
    "tr",
    { "data-order-id": orderId },
    cell("Order", el("a", { href: `/?order=${orderId}`, "data-action": "open" }, el("span", { class: "side", "data-side": side }, side), ` ${asked(order)}`)),
    cell("Waits for", conditionOf(order) || "nothing: market", heldView(order)),
    cell("Holds", holdsText(order)),
    cell("Status", el("span", { class: "status", "data-status": status }, isRequested ? "cancel requested" : status)),
    cell(
      "Change",
      status === "waiting" ? button("amend", "Change", `Change ${name}`) : null,
      isRequested ? null : button("cancel", "Cancel", `Cancel ${name}`),
    ),
  );
}

// Why it does not start although its condition may hold.
function heldView({ heldBecause }) {
  return heldBecause === undefined ? null : el("span", { class: "hint" }, ` Held: ${reasonText(heldBecause)}.`);
}

function button(action, text, label) {
  return el("button", { type: "button", class: "act", "data-action": action, "aria-label": label }, text);
}

function cell(name, ...content) {
  return el("td", { "data-name": name }, content);
}
