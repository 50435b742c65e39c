// Why orders fail, in words. `domain/errors.py` has the reasons; a test compares.

import { group, moment, usdc, venue } from "./format.js";
import { NAMED } from "./venues.js";

const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;
const LONG_NUMBER = /(?<![\w.:(-])(\d{4,15})((?:\.\d+)?)(?![\w:)-])/g; // no hash, no code of a program
const LEGS = /with maxLegs (\d+)/g;
const AMOUNT = /(\d+(?:\.\d+)?) USDC/g;

const REASONS = {
  NO_QUOTE: "no venue gave a price",
  QUOTE_EXPIRED: "the price was too old before the order was signed",
  SLIPPAGE_EXCEEDED: "the price moved further than the slippage allows",
  EXPIRED: "the network did not take the transaction in time",
  CHAIN_ERROR: "the network could not execute the transaction",
  NETWORK_UNAVAILABLE: "the network could not be reached",
  PRICE_LIMIT: "the price was beyond the order's own limit",
  NOTIONAL_LIMIT: "the order is worth more than is allowed",
  DAILY_LIMIT: "the orders of this day are worth as much as is allowed",
  INSUFFICIENT_LIQUIDITY: "the pools are too small for the order",
  NOT_OPEN: "no pool trades this symbol yet",
  NETWORK_CHANGED: "the order was placed on another network than the service trades on now",
  INSTRUMENT_CHANGED: "the symbol's token is not the one of the time when the order was placed",
  UNKNOWN_SYMBOL: "the symbol is not traded any more",
  ENGINE_ERROR: "the service could not go on with the order",
  NOT_FILLED: "the order had one try, and its price was not there",
  INSUFFICIENT_FUNDS: "the wallet cannot pay for the order",
  TRANSACTION_TOO_LARGE: "the swap does not fit into one transaction",
  HISTORY_MISSING: "the network does not know any more what became of the transaction",
  DRY_RUN: "the order was tried without being signed",
};

// One that only a later release knows is told by its name.
export function reasonText(reason) {
  return REASONS[reason] ?? nameOf(reason);
}

// In two or three words, for a table.
export function nameOf(reason) {
  return reason.toLowerCase().replaceAll("_", " ");
}

// Words of the API, with times and large numbers as the page writes them.
export function detailText(text) {
  return withNames(text)
    .replace(TIME, (time) => moment(time))
    .replace(LONG_NUMBER, (_, whole, rest) => group(Number(whole), 0) + rest)
    .replace(LEGS, "over up to $1 venues");
}

// Why a route was chosen; its amounts of USDC are rounded like all others of the page.
export function routeText(text) {
  return sentence(withNames(text).replace(AMOUNT, (_, amount) => `${usdc(amount)} USDC`));
}

function withNames(text) {
  return NAMED.reduce((told, dex) => told.replaceAll(new RegExp(`\\b${dex}\\b`, "g"), venue(dex)), text);
}

export function sentence(text) {
  return text[0].toUpperCase() + text.slice(1);
}
