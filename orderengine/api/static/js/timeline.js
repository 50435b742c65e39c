// The steps of an order in words, attempt by attempt.

import { copyButton, el } from "./dom.js";
import { fromUnits, percent, price, quantity, seconds, short, slippage, usdc, venue, venues } from "./format.js";
import { detailText, nameOf, reasonText, routeText, sentence } from "./reasons.js";
import { conditionOf, holdsText } from "./terms.js";

const CAUSES = {
  order: "Asking every venue for a quote.",
  retry: "Asking every venue again.",
  recovery: "Resumed after an interruption, with fresh quotes.",
  quoteExpired: "The quote had expired: asking again.",
};

const TEXTS = {
  waiting: waitingText,
  pending: pendingText,
  routing: ({ data }) => [CAUSES[data.cause] ?? data.cause],
  building: buildingText,
  submitted: submittedText,
  confirmed: ({ data }) => [
    `Executed at ${price(data.executedPrice)} USDC, slippage ${slippage(data.slippagePct)}.`,
    data.cancelTooLate ? " The cancel came too late." : "",
  ],
  failed: ({ data }) => [reasonView(data.reason), ` ${detailText(data.detail)}`],
  canceled: ({ data }) => [data.detail ? `Canceled: ${data.detail}.` : "Canceled."],
  expired: expiredText,
};

export function attemptView({ number, steps, failure }, isOneOfMany) {
  return el(
    "section",
    { class: "attempt", "data-attempt": number, "data-failed": failure !== null },
    isOneOfMany ? el("h3", {}, `Attempt ${number}`, failure ? el("span", { class: "reason", title: failure.reason }, nameOf(failure.reason)) : null) : null,
    el("ol", { class: "steps" }, steps.map(stepView)),
  );
}

function stepView(step) {
  return el(
    "li",
    { "data-seq": step.seq, "data-status": step.status },
    el("span", { class: "since", title: step.at }, seconds(step.sinceMs)),
    el("span", { class: "state" }, step.status),
    el("span", { class: "text" }, TEXTS[step.status]?.(step) ?? []),
    el("span", { class: "lasted", title: "how long this status lasted" }, step.lastedMs === null ? "" : seconds(step.lastedMs)),
  );
}

// Its name in the API is the title.
function reasonView(reason) {
  return el("b", { title: reason }, `${sentence(reasonText(reason))}:`);
}

function waitingText({ data, seq }) {
  if (data.reason) return [reasonView(data.reason), ` ${detailText(data.detail)}`, el("span", { class: "hint" }, " Waiting again.")];
  const condition = conditionOf(data);
  const [until, holds] = [condition && ` Waits for: ${condition}`, holdsText(data)];
  return [`${seq === 1 ? "Accepted and stored." : "Changed."}${until}${holds && `, ${holds}`}.`];
}

function expiredText({ data }) {
  if (data.reason) return [reasonView(data.because), ` ${detailText(data.detail)}`];
  return [data.detail ? `Its time has passed: ${data.detail}.` : "Its time has passed."];
}

function pendingText({ data, attempt }) {
  if (data.cause) return [startedText(data)];
  if (data.reason) {
    return [reasonView(data.reason), ` ${detailText(data.detail)}`, el("span", { class: "hint" }, ` Attempt ${attempt} begins after ${seconds(data.retryInMs)}.`)];
  }
  const worst = data.worstPrice ? `, worst price ${price(data.worstPrice)}` : "";
  const legs = data.maxLegs > 1 ? `, over up to ${data.maxLegs} venues` : "";
  const tolerance = data.slippageBps === undefined ? "" : `; slippage up to ${percent(data.slippageBps)}`;
  return [`Accepted and stored${tolerance}${worst}${legs}.`];
}

// A stop looks at the reference price of the market, a sniper at none.
function startedText({ seenPrice, source }) {
  if (source === "reference") return `Started: the market's price was ${price(seenPrice)} USDC.`;
  if (seenPrice === undefined) return `Started: a pool is there${source ? `, at ${venues(source)}` : ""}.`;
  return `Started: the price was ${price(seenPrice)} USDC${source ? ` (${venues(source)})` : ""}.`;
}

function buildingText({ data }) {
  const quotes = data.quotes.map((quote) => `${venue(quote.dex)} ${price(quote.price)}`).join(" · ");
  return [
    `${venues(data.dex)} at ${price(data.quotedPrice)} USDC. ${routeText(data.routeDetail)}. `,
    el("span", { class: "hint" }, `Quotes: ${quotes}. Limit ${limitText(data)}.`),
  ];
}

// The limit is one of USDC; where the USDC are exact, a buy has a least output, a sell a most input.
function limitText({ limitAmount, legs: [leg] }) {
  const isUsdcExact = (leg.side === "buy") === (leg.minOut !== undefined);
  if (!isUsdcExact) return `${usdc(fromUnits(limitAmount))} USDC`;
  return `${leg.side === "buy" ? "at least" : "at most"} ${quantity(fromUnits(limitAmount, leg.baseDecimals))} tokens`;
}

function submittedText({ data }) {
  if (data.cancelRequested) return ["Cancel requested: the network decides how the order ends."];
  return [
    "Signed and sent: ",
    el("code", { title: data.txHash }, short(data.txHash)),
    copyButton(data.txHash, "Copy the transaction's hash"),
  ];
}
