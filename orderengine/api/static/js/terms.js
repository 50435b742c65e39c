// The types of orders: their fields and times, as `domain/terms.py` has them; a test compares.

import { asked, group, moment, price } from "./format.js";

export const TYPES = {
  market: { fields: ["slippageBps", "worstPrice"], times: ["IOC", "GTD"] },
  limit: { fields: ["limitPrice"], times: ["GTC", "GTD", "IOC"] },
  stop: { fields: ["stopPrice", "slippageBps", "worstPrice"], times: ["GTC", "GTD"] },
  sniper: { fields: ["trigger", "worstPrice"], times: ["GTD"] },
};

export const TIMES = { IOC: "one try", GTC: "until canceled", GTD: "until a time" };

export const HINTS = {
  market: "Starts at once, at the best price of now.",
  limit: "Waits until the whole order costs no more than the limit, or brings no less.",
  stop: "Waits until the market's price is reached, then starts like a market order.",
  sniper: "Waits for a pool, and starts at the moment that it trades.",
};

const MEMBERS = { "trigger.on": "trigger", "trigger.minLiquidity": "trigger" };
const EVERYWHERE = ["symbol", "side", "type", "quantity", "maxLegs", "timeInForce"];
const INTEGERS = new Set(["slippageBps", "maxLegs"]);

// Whether the ticket has this field for these values.
export function hasField(field, { type, timeInForce }) {
  if (field === "expiresAt") return timeInForce === "GTD";
  return EVERYWHERE.includes(field) || TYPES[type].fields.includes(MEMBERS[field] ?? field);
}

// Whether an order of these terms waits for nothing but its turn.
export function startsAtOnce({ type = "market", timeInForce }) {
  return type === "market" || timeInForce === "IOC";
}

// The request for the ticket's values. An empty field takes the API's default; a text that is no
// integer or time is sent unchanged, so that the API names the broken rule.
export function requestOf(values) {
  const { symbol, side, type, unit, timeInForce } = values;
  const amount = { [unit === "usdc" ? "quoteQuantity" : "quantity"]: values.quantity };
  const request = { symbol, side, ...amount, maxLegs: typed("maxLegs", values.maxLegs) };
  if (type !== "market") request.type = type;
  if (timeInForce !== TYPES[type].times[0] || timeInForce === "GTD") request.timeInForce = timeInForce;
  for (const field of ["slippageBps", "worstPrice", "limitPrice", "stopPrice"]) {
    if (hasField(field, values) && values[field] !== "") request[field] = typed(field, values[field]);
  }
  if (hasField("trigger.on", values)) {
    request.trigger = { on: values["trigger.on"] };
    if (values["trigger.minLiquidity"] !== "") request.trigger.minLiquidity = values["trigger.minLiquidity"];
  }
  if (hasField("expiresAt", values) && values.expiresAt !== "") request.expiresAt = utcOf(values.expiresAt);
  return request;
}

// What an order waits for, and at which price it gives up; nothing for a market order.
export function conditionOf(order) {
  const condition = waitsFor(order);
  return condition && order.worstPrice !== undefined ? `${condition}, at worst ${price(order.worstPrice)}` : condition;
}

// What it waits for, in a few words.
export function waitsFor({ type, limitPrice, stopPrice, trigger }) {
  if (limitPrice !== undefined) return `limit ${price(limitPrice)}`;
  if (stopPrice !== undefined) return `stop ${price(stopPrice)}`;
  if (trigger === undefined) return type === undefined || type === "market" ? "" : type;
  return Number(trigger.minLiquidity) > 0 ? `a pool with ${group(Number(trigger.minLiquidity), 0)} USDC` : "a pool that opens";
}

export function holdsText({ timeInForce, expiresAt }) {
  return expiresAt === undefined ? (TIMES[timeInForce] ?? "") : `until ${moment(expiresAt)}`;
}

// The value of a field for a time, which has no offset: the local time.
export function localOf(text) {
  const at = new Date(text);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

export function utcOf(local) {
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? local : at.toISOString();
}

// What the ticket's order asks for.
export function amountText({ symbol, quantity: amount, unit }) {
  return asked(unit === "usdc" ? { symbol, quoteQuantity: amount } : { symbol, quantity: amount });
}

// The terms of an order that may change while it waits.
export function termsOf({ type, quoteQuantity }) {
  const prices = ["limitPrice", "stopPrice", "worstPrice"].filter((field) => TYPES[type].fields.includes(field));
  return [quoteQuantity === undefined ? "quantity" : "quoteQuantity", ...prices, "expiresAt"];
}

function typed(field, value) {
  return INTEGERS.has(field) && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}
