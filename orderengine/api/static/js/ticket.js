// The order ticket: its fields, what its order comes to, and the outcome of sending it.

import { Locked, Refused, Unavailable } from "./api.js";
import { el, fill, find, say } from "./dom.js";
import { estimateOf, isAmount } from "./estimate.js";
import { group, percent, price, quantity, slippage } from "./format.js";
import { reasonText } from "./reasons.js";
import { Sending } from "./sending.js";
import { HINTS, TIMES, TYPES, amountText, hasField, localOf, requestOf } from "./terms.js";
import { showViolations } from "./violations.js";

const PRICES = ["limitPrice", "stopPrice", "trigger.minLiquidity", "worstPrice"];
const FIELDS = ["symbol", "side", "type", "quantity", "trigger.on", ...PRICES, "slippageBps", "maxLegs", "timeInForce", "expiresAt"];
const QUOTED_FIELDS = ["symbol", "side", "quantity", "slippageBps", "maxLegs"];
const RENAMED = { quoteQuantity: "quantity", trigger: "trigger.on" };
const LOOK = { quoteQuantity: "100" }; // for the market's prices while there is no quantity
const HOUR_MS = 3_600_000;
const LEAST_AGAIN_BPS = 50;
const MOST_BPS = 10_000;

export class Ticket {
  #form = find("#ticket-form");
  #submit = find("#submit");
  #outcome = find("#outcome");
  #again = find("#again");
  #confirmation;
  #instruments = new Map();
  #wanted = null; // the quotes that belong to the fields
  #route = null;
  #estimate = estimateOf({}, null);
  #sending = null;
  #accepted = null;
  #listeners;

  // `onChange(wanted, instrument)` if other quotes are wanted; `onAccepted(orderId)` once an order
  // is stored.
  constructor(confirmation, listeners) {
    this.#confirmation = confirmation;
    this.#listeners = listeners;
    this.#form.addEventListener("input", ({ target }) => this.#edited(target.name));
    this.#again.addEventListener("click", () => this.#sendAgain());
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

  // The answer to the quotes that were wanted; null if they were refused.
  takeQuotes(wanted, route) {
    if (wanted === this.#wanted) this.#drawEstimate(route);
  }

  // Tells how the order placed here last ended; `event` may be of any order.
  tellEnd({ orderId, status, data }) {
    if (orderId !== this.#accepted || this.#sending) return;
    if (status === "confirmed") {
      const late = data.cancelTooLate ? " The cancel came too late." : "";
      this.#tell("accepted", `Confirmed at ${price(data.executedPrice)} USDC, slippage ${slippage(data.slippagePct)}.${late}`);
    } else if (data.reason) {
      this.#tell("refused", `${status === "failed" ? "Failed" : "Not filled"}: ${reasonText(data.reason)}.`);
      this.#offerAgain(data.reason);
    } else {
      this.#tell("refused", status === "canceled" ? "Canceled." : "Its time has passed without a fill.");
    }
  }

  // Shows the rules that a request for quotes broke; it leaves the other fields alone.
  showQuoteViolations(wanted, violations) {
    if (wanted === this.#wanted && this.#values().quantity) this.#showViolations(violations, QUOTED_FIELDS);
  }

  #showViolations(violations, fields = FIELDS) {
    const renamed = violations.map((each) => ({ ...each, field: RENAMED[each.field] ?? each.field }));
    return showViolations(this.#form, renamed, fields);
  }

  #values() {
    const data = new FormData(this.#form);
    return Object.fromEntries([...FIELDS, "unit"].map((field) => [field, String(data.get(field) ?? "").trim()]));
  }

  // A quantity belongs to its symbol, and a price to its symbol and side.
  #edited(name) {
    if (!this.#instruments.size || name === "") return;
    const isOther = ["symbol", "side"].includes(name) && this.#values()[name] !== this.#wanted?.[name];
    if (isOther) this.#empty(PRICES);
    if (isOther && name === "symbol") this.#empty(["quantity"]);
    if (name === "type") this.#drawType();
    if (isOther || name === "type") this.#forgetOutcome();
    this.#again.hidden = true;
    this.#changed();
  }

  #empty(fields) {
    for (const field of fields) this.#form.elements[field].value = "";
  }

  #forgetOutcome() {
    if (this.#sending) return;
    this.#accepted = null;
    this.#tell("none", "");
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
    say(elements.unit.options[0], instrument.symbol);
    const [low, high, step] = [instrument.minQuantity, instrument.maxQuantity, instrument.quantityStep].map(quantity);
    const range = values.unit === "usdc" ? "worth as much as the quantities allow, up to 6 decimals" : `${low} to ${high}, in steps of ${step}`;
    say(find("#quantity-hint"), range);
  }

  // Asks for other quotes if those of now are for other values: numbers of others would be wrong here.
  #want(values, instrument) {
    const [amount, amounts] = [values.quantity, { base: "quantity", usdc: "quoteQuantity" }];
    const slippageBps = hasField("slippageBps", values) ? values.slippageBps : "0";
    const { symbol, side, maxLegs } = values;
    const wanted = { symbol, side, ...(amount ? { [amounts[values.unit]]: amount } : LOOK), slippageBps, maxLegs };
    if (JSON.stringify(wanted) !== JSON.stringify(this.#wanted)) {
      this.#wanted = wanted;
      this.#route = null;
      this.#listeners.onChange(wanted, instrument);
    }
    this.#drawEstimate(this.#route);
  }

  #drawEstimate(route) {
    this.#route = route;
    const values = this.#values();
    const { lines, warnings } = (this.#estimate = estimateOf(values, route));
    const none = isAmount(values.quantity) ? "" : "Enter a quantity to see what the order comes to.";
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
    const told = [amountText(values), ...lines, ...warnings.map(({ kind, text }) => `${kind}. ${text}`)];
    if (isAmount(values.quantity) && !(await this.#confirmation.allows(sizeUsdc, this.#action(values), told))) {
      this.#tell("refused", "Not sent.");
      return;
    }
    const sending = (this.#sending = new Sending());
    this.#again.hidden = true;
    this.#showViolations([]);
    this.#tell("sending", "Sending the order.");
    try {
      const accepted = await sending.untilAnswered(requestOf(values), (error) => this.#tellWait(error));
      this.#accepted = accepted.orderId;
      const waits = accepted.status === "waiting" ? "it waits, and is among the open orders" : "the order is stored and will end exactly once";
      this.#tell("accepted", `Accepted: ${waits}.`);
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
    this.#tell("asking", `Not accepted yet: ${error.message}. Asking again with the same key, which never orders twice.`);
  }

  #tellRefusal(error, { mayBeStored }) {
    const rest = error instanceof Refused ? this.#showViolations(error.errors) : "";
    const named = error instanceof Refused && error.errors.length > 0 && !rest;
    if (mayBeStored && !(error instanceof Refused)) {
      this.#tell("refused", `No answer: ${error.message}. The order may have been stored: look at the recent orders.`);
      return;
    }
    this.#tell("refused", named ? "Not accepted: see the marked fields." : `Not accepted: ${rest || error.message}`);
    this.#form.querySelector('[aria-invalid="true"]')?.focus();
  }

  #stopAsking() {
    const { mayBeStored } = this.#sending;
    this.#sending.stop();
    this.#sending = null;
    const outcome = mayBeStored ? "The order may have been stored: look at the recent orders." : "Nothing was ordered.";
    this.#tell("refused", `Stopped. ${outcome}`);
    this.#label();
  }

  #offerAgain(reason) {
    const values = this.#values();
    const given = Number(values.slippageBps || 100);
    if (reason !== "SLIPPAGE_EXCEEDED" || !hasField("slippageBps", values) || !(given < MOST_BPS)) return;
    const more = Math.min(MOST_BPS, Math.max(LEAST_AGAIN_BPS, 2 * given));
    this.#again.dataset.bps = String(more);
    say(this.#again, `Again with more slippage: ${group(more, 0)} bps (${percent(more)})`);
    this.#again.hidden = false;
  }

  #sendAgain() {
    this.#form.elements.slippageBps.value = this.#again.dataset.bps;
    this.#again.hidden = true;
    this.#changed();
    this.#submit.focus();
    void this.#send();
  }

  #tell(state, text) {
    this.#outcome.dataset.state = state;
    say(this.#outcome, text);
  }
}
