// The order ticket: its fields, what its order comes to, and the outcome of sending it.

import { Locked, Refused, Unavailable } from "./api.js";
import { el, fill, find, say } from "./dom.js";
import { estimateOf, isAmount } from "./estimate.js";
import { percent, quantity } from "./format.js";
import { Outcome } from "./outcome.js";
import { Sending } from "./sending.js";
import { HINTS, TIMES, TYPES, amountText, hasField, localOf, requestOf } from "./terms.js";
import { showViolations } from "./violations.js";

const PRICES = ["limitPrice", "stopPrice", "trigger.minLiquidity", "worstPrice"];
const FIELDS = ["symbol", "side", "type", "quantity", "trigger.on", ...PRICES, "slippageBps", "maxLegs", "timeInForce", "expiresAt"];
const RENAMED = { quoteQuantity: "quantity", trigger: "trigger.on" };
const LOOK = { quoteQuantity: "100" }; // for the market's prices while there is no quantity
const HOUR_MS = 3_600_000;
const INTEGER = /^\d{1,5}$/;
const DEFAULT_BPS = 100;

export class Ticket {
  #form = find("#ticket-form");
  #submit = find("#submit");
  #outcome = new Outcome((bps) => this.#sendAgain(bps));
  #confirmation;
  #instruments = new Map();
  #wanted = null; // the quotes that belong to the fields
  #route = null;
  #refusal = null; // of those quotes
  #estimate = estimateOf({}, {});
  #isHalted = false;
  #sending = null;
  #sent = ""; // the values of the order that was sent last
  #violations = []; // of the order that was sent last, until a field is edited
  #listeners;

  // `onChange(wanted, instrument)` if other quotes are wanted; `onAccepted(orderId)` once an order
  // is stored.
  constructor(confirmation, listeners) {
    this.#confirmation = confirmation;
    this.#listeners = listeners;
    this.#form.addEventListener("input", ({ target }) => this.#edited(target.name));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#sending) this.#stopAsking();
      else void this.#send();
    });
  }

  offer(instruments) {
    this.#instruments = new Map(instruments.map((each) => [each.symbol, each]));
    const options = instruments.map((each) => el("option", { value: each.symbol }, each.symbol));
    this.#form.elements.symbol.replaceChildren(...options);
    this.#drawType();
    this.#changed();
  }

  // An order may be split over as many venues as there are.
  offerLegs(count) {
    const select = this.#form.elements.maxLegs;
    for (let legs = select.options.length + 1; legs <= count; legs++) select.append(el("option", { value: legs }, `up to ${legs}`));
  }

  // The answer to the quotes that were wanted.
  takeQuotes(wanted, route) {
    if (wanted !== this.#wanted) return;
    this.#drawEstimate(route, null);
    this.#showViolations(this.#violations);
  }

  // The refusal of those quotes, and the rules that the request for them broke.
  takeRefusal(wanted, refusal) {
    if (wanted !== this.#wanted) return;
    this.#drawEstimate(null, refusal);
    const broken = this.#values().quantity ? refusal.errors : [];
    const fields = new Set(this.#violations.map(({ field }) => field));
    this.#showViolations([...this.#violations, ...broken.filter(({ field }) => !fields.has(field))]);
  }

  tellHalted(isHalted) {
    if (isHalted === this.#isHalted) return;
    this.#isHalted = isHalted;
    if (this.#wanted) this.#drawEstimate(this.#route, this.#refusal);
  }

  // Tells how the order placed here goes on; `event` may be of any order. True if it is told here.
  follow(event) {
    if (this.#sending) return false;
    const values = this.#values();
    const isSame = JSON.stringify(values) === this.#sent; // other values are another order
    return this.#outcome.follow(event, isSame && hasField("slippageBps", values) ? Number(values.slippageBps || DEFAULT_BPS) : null);
  }

  // Another part of the page tells of this order.
  leave(orderId) {
    if (!this.#sending) this.#outcome.leave(orderId);
  }

  // The page shows this order, or none (null).
  leaveAllBut(orderId) {
    if (!this.#sending) this.#outcome.leaveAllBut(orderId);
  }

  #showViolations(violations) {
    const renamed = violations.map((each) => ({ ...each, field: RENAMED[each.field] ?? each.field }));
    return showViolations(this.#form, renamed, FIELDS);
  }

  #values() {
    const data = new FormData(this.#form);
    return Object.fromEntries([...FIELDS, "unit"].map((field) => [field, String(data.get(field) ?? "").trim()]));
  }

  // A quantity belongs to its symbol, and a price to its symbol and side.
  #edited(name) {
    if (!this.#instruments.size || name === "") return;
    const isOther = ["symbol", "side"].includes(name) && this.#values()[name] !== this.#wanted?.request[name];
    if (isOther) this.#empty(PRICES);
    if (isOther && name === "symbol") this.#empty(["quantity"]);
    if (name === "type") this.#drawType();
    if ((isOther || name === "type") && !this.#sending) this.#outcome.forget();
    this.#outcome.edited();
    this.#violations = [];
    this.#changed();
  }

  #empty(fields) {
    for (const field of fields) this.#form.elements[field].value = "";
  }

  #drawType() {
    const { type } = this.#values();
    const times = TYPES[type].times.map((time) => el("option", { value: time }, TIMES[time]));
    this.#form.elements.timeInForce.replaceChildren(...times);
    say(find("#type-hint"), HINTS[type]);
    find("#worst-optional").hidden = type === "sniper";
  }

  #changed() {
    const values = this.#values();
    const instrument = this.#instruments.get(values.symbol);
    if (!instrument) return;
    this.#drawFields(values, instrument);
    this.#submit.dataset.side = values.side;
    this.#label();
    this.#showViolations([]);
    this.#want(values, instrument);
  }

  #drawFields(values, instrument) {
    const { elements } = this.#form;
    for (const field of FIELDS) find(`[data-field="${field}"]`, this.#form).hidden = !hasField(field, values);
    find('[data-group="trigger"]').hidden = !hasField("trigger.on", values);
    const { expiresAt } = elements;
    if (hasField("expiresAt", values) && expiresAt.value === "") expiresAt.value = localOf(Date.now() + HOUR_MS);
    say(find("#symbol-hint"), instrument.name);
    say(find("#slippage-percent"), INTEGER.test(values.slippageBps) ? percent(Number(values.slippageBps)) : "");
    say(elements.unit.options[0], instrument.symbol);
    const [low, high, step] = [instrument.minQuantity, instrument.maxQuantity, instrument.quantityStep].map(quantity);
    const range = values.unit === "usdc" ? "worth as much as the quantities allow, up to 6 decimals" : `${low} to ${high}, in steps of ${step}`;
    say(find("#quantity-hint"), range);
  }

  // Asks for other quotes if those of now are for other values: numbers of others would be wrong here.
  #want(values, instrument) {
    const [amount, amounts] = [values.quantity, { base: "quantity", usdc: "quoteQuantity" }];
    const slippageBps = hasField("slippageBps", values) ? values.slippageBps : "0";
    const { symbol, side, type, maxLegs } = values;
    const request = { symbol, side, ...(amount ? { [amounts[values.unit]]: amount } : LOOK), slippageBps, maxLegs };
    const wanted = { request, type, isExample: amount === "" };
    if (JSON.stringify(wanted) !== JSON.stringify(this.#wanted)) {
      this.#wanted = wanted;
      this.#route = this.#refusal = null;
      this.#listeners.onChange(wanted, instrument);
    }
    this.#drawEstimate(this.#route, this.#refusal);
  }

  #drawEstimate(route, refusal) {
    this.#route = route;
    this.#refusal = refusal;
    const values = this.#values();
    const { lines, warnings } = (this.#estimate = estimateOf(values, { route, refusal, isHalted: this.#isHalted }));
    const waits = refusal ? "There is no price for it now." : "Waiting for quotes.";
    const none = isAmount(values.quantity) ? waits : "Enter a quantity to see what the order comes to.";
    fill(find("#estimate"), (lines.length ? lines : [none]).map((line) => el("p", {}, line)));
    fill(find("#warnings"), warnings.map(({ kind, text }) => el("li", {}, el("strong", {}, `${kind}. `), text)));
    say(find("#warned"), warnings.map(({ kind }) => `Warning: ${kind}.`).join(" "));
  }

  #label() {
    this.#submit.dataset.asking = String(this.#sending !== null);
    say(this.#submit, this.#sending ? "Stop asking" : this.#action(this.#values()));
  }

  #action({ side, symbol, type }) {
    return `${side === "buy" ? "Buy" : "Sell"} ${symbol}${type === "market" ? "" : `, ${type}`}`;
  }

  async #send() {
    const values = this.#values();
    const { lines, warnings, sizeUsdc } = this.#estimate;
    const told = [...lines, ...warnings.map(({ kind, text }) => `${kind}. ${text}`)];
    if (isAmount(values.quantity) && !(await this.#confirmation.allows(sizeUsdc, questionOf(values), this.#action(values), told))) {
      this.#outcome.forget();
      this.#outcome.tell("refused", "Not sent.");
      return;
    }
    const sending = (this.#sending = new Sending());
    this.#sent = JSON.stringify(values);
    this.#violations = [];
    this.#showViolations([]);
    this.#outcome.begin();
    try {
      const accepted = await sending.untilAnswered(requestOf(values), (error) => this.#tellWait(error));
      this.#outcome.accept(accepted);
      this.#listeners.onAccepted(accepted.orderId);
    } catch (error) {
      if (sending.isStopped) return;
      if (![Locked, Refused, Unavailable].some((kind) => error instanceof kind)) throw error;
      this.#tellRefusal(error, sending);
    } finally {
      if (this.#sending === sending) this.#sending = null;
      this.#label();
    }
  }

  #tellWait(error) {
    this.#label();
    this.#outcome.tell("asking", `Not accepted yet: ${error.message}. Asking again with the same key, which never orders twice.`);
  }

  #tellRefusal(error, { mayBeStored }) {
    this.#violations = error instanceof Refused ? error.errors : [];
    const rest = this.#showViolations(this.#violations);
    const named = this.#violations.length > 0 && !rest;
    if (mayBeStored && !(error instanceof Refused)) {
      this.#outcome.tell("refused", `No answer: ${error.message}. The order may have been stored: look at the recent orders.`);
      return;
    }
    this.#outcome.tell("refused", named ? "Not accepted: see the marked fields." : `Not accepted: ${rest || error.message}`);
    this.#form.querySelector('[aria-invalid="true"]')?.focus();
  }

  #stopAsking() {
    const { mayBeStored } = this.#sending;
    this.#sending.stop();
    this.#sending = null;
    const outcome = mayBeStored ? "The order may have been stored: look at the recent orders." : "Nothing was ordered.";
    this.#outcome.tell("refused", `Stopped. ${outcome}`);
    this.#label();
  }

  #sendAgain(bps) {
    this.#form.elements.slippageBps.value = bps;
    this.#changed();
    this.#submit.focus();
    void this.#send();
  }
}

function questionOf(values) {
  const condition = values.type === "market" ? "" : `, ${values.type}`;
  return `${values.side === "buy" ? "Buy" : "Sell"} ${amountText(values)}${condition}?`;
}
