// The order ticket: its fields, and the outcome of sending it.

import { Locked, Refused, Unavailable, newIdempotencyKey, postOrder } from "./api.js";
import { el, find, say } from "./dom.js";
import { price, quantity, slippage } from "./format.js";
import { backoffMs } from "./loop.js";

const FIELDS = ["symbol", "side", "quantity", "slippageBps", "maxLegs", "worstPrice"];
const QUOTED_FIELDS = ["symbol", "side", "quantity", "slippageBps", "maxLegs"];
const INTEGERS = new Set(["slippageBps", "maxLegs"]);
const GIVE_UP_AFTER = 20;

export class Ticket {
  #form = find("#ticket-form");
  #submit = find("#submit");
  #outcome = find("#outcome");
  #instruments = new Map();
  #asking = null;
  #mayBeStored = false;
  #accepted = null;
  #listeners;

  // `onChange(wanted)` for each edit; `onAccepted(orderId)` once an order is stored.
  constructor(listeners) {
    this.#listeners = listeners;
    this.#form.addEventListener("input", () => this.#changed());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#asking) this.#stopAsking();
      else void this.#send();
    });
  }

  offer(instruments) {
    this.#instruments = new Map(instruments.map((each) => [each.symbol, each]));
    const options = instruments.map((each) => el("option", { value: each.symbol }, each.symbol));
    this.#form.elements.symbol.replaceChildren(...options);
    this.#changed();
  }

  // An order may be split over as many venues as there are.
  offerLegs(count) {
    const select = this.#form.elements.maxLegs;
    for (let legs = select.options.length + 1; legs <= count; legs++) select.append(el("option", { value: legs }, `up to ${legs}`));
  }

  // Shows the progress of the order placed here last; `event` may be of any order.
  tellEnd({ orderId, status, data }) {
    if (orderId !== this.#accepted || this.#asking) return;
    if (status === "failed") this.#tell("refused", `Failed: ${data.reason}.`);
    else this.#tell("accepted", `Confirmed at ${price(data.executedPrice)} USDC, slippage ${slippage(data.slippagePct)}.`);
  }

  // Shows the rules that a request for quotes broke; it leaves the other fields alone.
  showQuoteViolations(violations) {
    this.#showViolations(violations, QUOTED_FIELDS);
  }

  // Shows each broken rule beside its field; returns those that have no field here.
  #showViolations(violations, fields = FIELDS) {
    const elsewhere = violations.filter(({ field }) => !FIELDS.includes(field));
    for (const field of fields) {
      const broken = violations.filter((each) => each.field === field);
      const element = find(`[data-field="${field}"]`, this.#form);
      element.dataset.broken = String(broken.length > 0);
      say(find(".rule", element), broken.map(({ message }) => message).join("; "));
      for (const input of element.querySelectorAll("input, select")) {
        input.setAttribute("aria-invalid", String(broken.length > 0));
      }
    }
    return elsewhere.map(({ field, message }) => `${field} ${message}`).join("; ");
  }

  #values() {
    const data = new FormData(this.#form);
    return Object.fromEntries(FIELDS.map((field) => [field, String(data.get(field) ?? "").trim()]));
  }

  #changed() {
    const values = this.#values();
    const instrument = this.#instruments.get(values.symbol);
    if (!instrument) return;
    say(find("#symbol-hint"), instrument.name);
    say(find("#quantity-unit"), instrument.symbol);
    const [low, high, step] = [instrument.minQuantity, instrument.maxQuantity, instrument.quantityStep];
    say(find("#quantity-hint"), `${quantity(low)} to ${quantity(high)}, in steps of ${step}`);
    this.#submit.dataset.side = values.side;
    this.#label();
    this.#showViolations([]);
    const wanted = QUOTED_FIELDS.map((field) => [field, values[field]]);
    this.#listeners.onChange(Object.fromEntries(wanted), instrument);
  }

  #label() {
    const { side, symbol } = this.#values();
    this.#submit.dataset.asking = String(this.#asking !== null);
    say(this.#submit, this.#asking ? "Stop asking" : `${side === "buy" ? "Buy" : "Sell"} ${symbol}`);
  }

  async #send() {
    const asking = (this.#asking = new AbortController());
    this.#mayBeStored = false;
    this.#showViolations([]);
    this.#tell("sending", "Sending the order.");
    try {
      const accepted = await this.#untilAnswered(orderOf(this.#values()), asking.signal);
      this.#accepted = accepted.orderId;
      this.#tell("accepted", "Accepted: the order is stored and will end exactly once.");
      this.#listeners.onAccepted(accepted.orderId);
    } catch (error) {
      if (asking.signal.aborted) return;
      if (![Locked, Refused, Unavailable].some((kind) => error instanceof kind)) throw error;
      this.#tellRefusal(error);
    } finally {
      if (this.#asking === asking) this.#asking = null;
      this.#label();
    }
  }

  // One submission has one key, so a retry never orders twice.
  async #untilAnswered(order, signal) {
    const key = newIdempotencyKey();
    for (let tries = 0; ; tries++) {
      const mayBeStored = this.#mayBeStored;
      try {
        this.#mayBeStored = true; // while it is under way
        return await postOrder(order, key, signal);
      } catch (error) {
        signal.throwIfAborted();
        const isPassing = error instanceof Unavailable;
        if (!isPassing || error.wasDenied) this.#mayBeStored = mayBeStored;
        if (!isPassing || tries >= GIVE_UP_AFTER) throw error;
        this.#label();
        this.#tell("asking", `Not accepted yet: ${error.message}. Asking again with the same key, which never orders twice.`);
        await pause(error.retryAfterMs ?? backoffMs(tries), signal);
      }
    }
  }

  #tellRefusal(error) {
    const rest = error instanceof Refused ? this.#showViolations(error.errors) : "";
    const named = error instanceof Refused && error.errors.length > 0 && !rest;
    if (this.#mayBeStored && !(error instanceof Refused)) {
      this.#tell("refused", `No answer: ${error.message}. The order may have been stored: look at the recent orders.`);
      return;
    }
    this.#tell("refused", named ? "Not accepted: see the marked fields." : `Not accepted: ${rest || error.message}`);
    this.#form.querySelector('[aria-invalid="true"]')?.focus();
  }

  #stopAsking() {
    this.#asking.abort();
    this.#asking = null;
    const outcome = this.#mayBeStored ? "The order may have been stored: look at the recent orders." : "Nothing was ordered.";
    this.#tell("refused", `Stopped. ${outcome}`);
    this.#label();
  }

  #tell(state, text) {
    this.#outcome.dataset.state = state;
    say(this.#outcome, text);
  }
}

// An empty field takes the API's default; a text that is not an integer is sent unchanged, so that
// the API names the broken rule.
function orderOf(values) {
  const given = Object.entries(values).filter(([field, value]) => value !== "" || field === "quantity");
  return Object.fromEntries(
    given.map(([field, value]) => [field, INTEGERS.has(field) && /^-?\d{1,15}$/.test(value) ? Number(value) : value]),
  );
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
