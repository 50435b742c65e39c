// The result of an order in figures: quoted against executed, slippage, fees, legs.

import { copyButton, el } from "./dom.js";
import { NONE, between, fromUnits, group, price, seconds, short, slippage, usdc, venue, venues } from "./format.js";
import { lastOf, lastWith } from "./history.js";

export function summaryView(events) {
  const built = lastOf(events, "building")?.data ?? {};
  const done = lastOf(events, "confirmed")?.data ?? {};
  const failed = lastOf(events, "failed");
  const txHash = lastWith(events, "txHash");
  return el(
    "dl",
    { class: "summary" },
    fact("Venue", venues(built.dex)),
    fact("Quoted", price(built.quotedPrice), built.quotedPrice),
    fact("Executed", price(done.executedPrice), done.executedPrice, "executed"),
    fact("Slippage", slippage(done.slippagePct), done.slippagePct && "positive is worse than quoted", "slippage", direction(done.slippagePct)),
    fact(events[0].data.side === "buy" ? "Paid" : "Received", done.quoteAmount ? usdc(fromUnits(done.quoteAmount)) : NONE, done.quoteAmount && `${fromUnits(done.quoteAmount)}`),
    fact("Fee", done.fee ? usdc(done.fee) : NONE, done.fee),
    fact("Impact", done.marketImpactBps ? `${group(Number(done.marketImpactBps), 2)} bps` : NONE),
    fact("Took", done.landedAt || failed ? seconds(between(events[0].at, events.at(-1).at)) : NONE),
    txHash ? hashFact(txHash, Boolean(failed)) : null,
    failed ? failureFact(failed.data) : null,
  );
}

// What each venue executed; until then what each one is to execute, if the order is split.
export function legsView(events) {
  const executed = lastWith(events, "executedLegs");
  const legs = executed ?? lastOf(events, "building")?.data.legs ?? [];
  const decimals = lastOf(events, "building")?.data.legs[0].baseDecimals;
  if (legs.length < 2) return null;
  const amount = (units) => fromUnits(units, decimals);
  const rows = legs.map((leg) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, venue(leg.dex)),
      el("td", { class: "number" }, group(amount(leg.baseAmount), amount(leg.baseAmount) >= 1000 ? 2 : 6, 0)),
      el("td", { class: "number" }, usdc(fromUnits(leg.quoteAmount))),
      el("td", { class: "number" }, usdc(leg.fee)),
      el("td", { class: "number" }, group(Number(leg.marketImpactBps), 2)),
    ),
  );
  const heads = [executed ? "Executed at" : "To execute at", "Quantity", "USDC", "Fee", "Impact bps"];
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
  return el("div", { class: "wide" }, el("dt", {}, name), el("dd", {}, el("code", { title: hash, id: "tx-hash" }, short(hash)), copyButton(hash, "Copy the transaction's hash")));
}

function failureFact({ reason, detail }) {
  return el("div", { class: "wide" }, el("dt", {}, "Failed"), el("dd", { "data-tone": "worse", id: "failure" }, `${reason}: ${detail}`));
}
