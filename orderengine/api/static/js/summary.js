// The result of an order in figures: quoted against executed, slippage, fees, legs.

import { copyButton, el } from "./dom.js";
import { NONE, between, fromUnits, group, percent, price, seconds, short, slippage, usdc, venue, venues } from "./format.js";
import { detailText, reasonText, sentence } from "./reasons.js";
import { TERMINAL } from "./statuses.js";

export function summaryView(order) {
  const { executedPrice, slippagePct, quoteAmount, fee, marketImpactBps, txHash } = order;
  const isFailed = order.reason !== undefined && TERMINAL.has(order.status);
  const isCancelRequested = order.cancelRequested || order.cancelTooLate || order.cancelRequestedAt !== undefined;
  return el(
    "dl",
    { class: "summary" },
    fact("Venue", venues(order.dex)),
    fact("Quoted", price(order.quotedPrice), order.quotedPrice),
    fact("Executed", price(executedPrice), executedPrice, "executed"),
    fact("Slippage", slippage(slippagePct), slippagePct && `${slippagePct} %: positive is worse than quoted`, "slippage", direction(slippagePct)),
    fact(order.side === "buy" ? "Paid" : "Received", quoteAmount ? usdc(fromUnits(quoteAmount)) : NONE, quoteAmount && `${fromUnits(quoteAmount)}`),
    fact("Fee", fee ? usdc(fee) : NONE, fee),
    fact("Impact", marketImpactBps ? percent(Number(marketImpactBps)) : NONE),
    fact("Took", TERMINAL.has(order.status) ? seconds(between(order.createdAt, order.updatedAt)) : NONE),
    hashFact(txHash, isFailed),
    isFailed ? failureFact(order) : null,
    isCancelRequested ? cancelFact(order) : null,
  );
}

// The legs of a split order: the executed ones, or the planned ones until then.
export function legsView({ legs: planned = [], executedLegs: executed }) {
  const legs = executed ?? planned;
  if (legs.length < 2) return null;
  const decimals = planned[0].baseDecimals;
  const amount = (units) => fromUnits(units, decimals);
  const rows = legs.map((leg) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, venue(leg.dex)),
      el("td", { class: "number" }, group(amount(leg.baseAmount), amount(leg.baseAmount) >= 1000 ? 2 : 6, 0)),
      el("td", { class: "number" }, usdc(fromUnits(leg.quoteAmount))),
      el("td", { class: "number" }, usdc(leg.fee)),
      el("td", { class: "number" }, percent(Number(leg.marketImpactBps))),
    ),
  );
  const heads = [executed ? "Executed at" : "To execute at", "Quantity", "USDC", "Fee", "Impact"];
  return el(
    "table",
    { class: "legs" },
    el("thead", {}, el("tr", {}, heads.map((text, index) => el("th", { scope: "col", class: index ? "number" : null }, text)))),
    el("tbody", {}, rows),
  );
}

function direction(pct) {
  if (pct === undefined || Number(pct) === 0) return null;
  return Number(pct) > 0 ? "worse" : "better";
}

function fact(name, value, title, id = null, tone = null) {
  return el("div", { "data-fact": id }, el("dt", {}, name), el("dd", { title, "data-tone": tone }, value));
}

function hashFact(hash, isFailed) {
  const name = isFailed ? "Last transaction" : "Transaction";
  return el("div", { class: "wide" }, el("dt", {}, name), el("dd", {}, hash ? [el("code", { title: hash, id: "tx-hash" }, short(hash)), copyButton(hash, "Copy the transaction's hash")] : NONE));
}

function failureFact({ status, reason, detail }) {
  const name = status === "failed" ? "Failed" : "Not filled";
  return el("div", { class: "wide" }, el("dt", {}, name), el("dd", { "data-tone": "worse", id: "failure", title: reason }, `${sentence(reasonText(reason))}: ${detailText(detail)}`));
}

function cancelFact({ status, executedPrice }) {
  const text = executedPrice === undefined ? `Requested; the order is ${status}` : "Came too late: the order had been sent, and was executed";
  return el("div", { class: "wide" }, el("dt", {}, "Cancel"), el("dd", { id: "cancel" }, text));
}

