// Changes the terms of an order that waits; a change of an order that has moved is told, not made.

import { Locked, Refused, Unavailable, amendOrder } from "./api.js";
import { el, fill, find, say } from "./dom.js";
import { asked } from "./format.js";
import { sentence } from "./reasons.js";
import { conditionOf, holdsText, localOf, termsOf, utcOf } from "./terms.js";
import { showViolations } from "./violations.js";

// Each field's name, and its unit.
const LABELS = {
  quantity: ["Quantity", ""],
  quoteQuantity: ["Amount", "USDC"],
  limitPrice: ["Limit price", "USDC each, all included"],
  stopPrice: ["Stop price", "USDC each"],
  worstPrice: ["Worst price", "USDC each"],
  expiresAt: ["Until", "your local time"],
};
const MOVED = 412;
const NOT_WAITING = 409;

export class Amendment {
  #dialog = find("#amend");
  #form = find("#amend-form");
  #told = find("#amend-told");
  #save = find("#amend-save");
  #order = null;
  #confirmation;
  #onAmended;

  // `onAmended(orderId, text)` once an order has new terms.
  constructor(confirmation, onAmended) {
    this.#confirmation = confirmation;
    this.#onAmended = onAmended;
    find("#amend-close").addEventListener("click", () => this.#dialog.close());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
  }

  open(order) {
    this.#order = order;
    say(find("#amend-title"), `Change: ${order.side} ${asked(order)}`);
    fill(find("#amend-fields"), termsOf(order).map((field) => fieldView(field, order)));
    this.#tell("none", `Now: ${conditionOf(order)}, ${holdsText(order)}. What you do not change stays.`);
    this.#save.disabled = false;
    this.#dialog.showModal();
  }

  async #send() {
    const [order, changes] = [this.#order, this.#changes()];
    showViolations(this.#form, [], termsOf(order));
    if (Object.keys(changes).length === 0) return this.#tell("refused", "Nothing is changed yet.");
    if (!(await this.#isMeant({ ...order, ...changes }))) return this.#tell("refused", "Not changed.");
    this.#save.disabled = true;
    try {
      const now = await amendOrder(order, changes);
      this.#dialog.close();
      this.#onAmended(now.orderId, `Changed: ${now.side} ${asked(now)}, ${conditionOf(now)}, ${holdsText(now)}.`);
    } catch (error) {
      this.#save.disabled = false;
      if (![Locked, Refused, Unavailable].some((kind) => error instanceof kind)) throw error;
      this.#tellRefusal(error);
    }
  }

  // Like a new order of that size.
  #isMeant(order) {
    const told = sentence(`${conditionOf(order)}, ${holdsText(order)}.`);
    return this.#confirmation.allows(sizeOf(order), `Change to ${order.side} ${asked(order)}?`, "Save", [told]);
  }

  #tellRefusal(error) {
    if (error instanceof Refused && error.order) return this.#tellMoved(error);
    if (error instanceof Unavailable) return this.#tell("refused", `No answer: ${error.message}. Save again: the same change is made once only.`);
    const rest = error instanceof Refused ? showViolations(this.#form, error.errors, termsOf(this.#order)) : "";
    const named = error instanceof Refused && error.errors.length > 0 && !rest;
    this.#tell("refused", named ? "Not changed: see the marked fields." : `Not changed: ${rest || error.message}.`);
    this.#form.querySelector('[aria-invalid="true"]')?.focus();
  }

  // Fields that were not edited take the values of now, the others stay: the next save is for this state.
  #tellMoved({ status, order }) {
    const edited = this.#changes();
    const isOver = status === NOT_WAITING;
    if (status === MOVED) {
      for (const field of termsOf(order)) if (!(field in edited)) this.#input(field).value = textOf(field, order);
      this.#order = order;
    }
    this.#save.disabled = isOver;
    const now = `${order.side} ${asked(order)}, ${conditionOf(order)}, ${holdsText(order)}`;
    this.#tell("refused", isOver ? `Too late: it does not wait any more. It is now ${order.status}.` : `It has changed meanwhile. It is now: ${now}. Save again to change that.`);
    if (isOver) find("#amend-close").focus();
  }

  #changes() {
    const changed = termsOf(this.#order).filter((field) => this.#input(field).value.trim() !== textOf(field, this.#order));
    return Object.fromEntries(changed.map((field) => [field, valueOf(field, this.#input(field).value.trim())]));
  }

  #input(field) {
    return find(`[data-field="${field}"] input`, this.#form);
  }

  #tell(state, text) {
    this.#told.dataset.state = state;
    say(this.#told, text);
  }
}

// An order may have no worst price, and no time.
function textOf(field, order) {
  if (order[field] === undefined) return "";
  return field === "expiresAt" ? localOf(order.expiresAt) : String(order[field]);
}

function valueOf(field, text) {
  return field === "expiresAt" ? utcOf(text) : text;
}

// The most that it may be worth in USDC; null if that is not known.
function sizeOf({ quantity, quoteQuantity, limitPrice, stopPrice, worstPrice }) {
  const size = Number(quoteQuantity ?? quantity * Math.max(limitPrice ?? 0, stopPrice ?? 0, worstPrice ?? 0));
  return Number.isFinite(size) ? size : null;
}

function fieldView(field, order) {
  const id = `amend-${field}`;
  const [name, unit] = LABELS[field];
  const kind = field === "expiresAt" ? { type: "datetime-local", step: 1 } : { inputmode: "decimal" };
  return el(
    "div",
    { class: "field", "data-field": field },
    el("label", { for: id }, name, unit && el("span", { class: "unit" }, ` ${unit}`)),
    el("input", { id, value: textOf(field, order), placeholder: field === "worstPrice" ? "none" : null, ...kind, "aria-describedby": `${id}-rule` }),
    el("p", { class: "rule", id: `${id}-rule` }),
  );
}
