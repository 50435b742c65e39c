// The venues' current quotes for the ticket, which one would win, and why.

import { Locked, Refused, Unavailable, getQuotes } from "./api.js";
import { el, fill, find, say } from "./dom.js";
import { NOT_OPEN, TOO_LARGE } from "./estimate.js";
import { NONE, asked, fromUnits, group, percent, price, quantity, usdc, venue, venues } from "./format.js";
import { Loop } from "./loop.js";
import { detailText, routeText, sentence } from "./reasons.js";
import { hasField } from "./terms.js";
import { dress, venuesOf } from "./venues.js";

const PERIOD_MS = 1_500;
const DEBOUNCE_MS = 250;
const POOLS = { amm_v4: "AMM v4", cpmm: "CPMM", dlmm: "DLMM", localnet: "localnet" };
const REASONS = {
  BEST_PRICE: "best price",
  ONLY_QUOTE: "only quote",
  BEST_SPLIT: "best in parts",
  ONLY_SPLIT: "only in parts",
  NO_BETTER_SPLIT: "best price",
};

const REFUSALS = { INSUFFICIENT_LIQUIDITY: TOO_LARGE, NOT_OPEN };

export class Quotes {
  #root = find("#quotes");
  #freshness = find("#freshness");
  #wanted = null;
  #answeredAt = null;
  #listeners;
  #loop = new Loop((signal) => this.#refresh(signal), PERIOD_MS);

  // Each request ends with `onQuotes(wanted, route)` or `onRefused(wanted, refusal)`.
  constructor(listeners) {
    this.#listeners = listeners;
    setInterval(() => this.#tellAge(), 500);
  }

  // `wanted`: the `request`, for an order of which `type`, and if its amount is only an example. The
  // quotes of another symbol or side are gone at once, those of another amount when new ones come.
  show(wanted) {
    const isOther = ["symbol", "side"].some((field) => wanted.request[field] !== this.#wanted?.request[field]);
    this.#wanted = wanted;
    if (isOther) this.#empty();
    this.#root.dataset.stale = "true";
    this.#loop.soon(DEBOUNCE_MS);
  }

  async #refresh(signal) {
    const wanted = this.#wanted;
    try {
      const route = await getQuotes(wanted.request, signal);
      this.#answeredAt = performance.now();
      this.#draw(quotesView(route, wanted));
      this.#listeners.onQuotes(wanted, route);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#answeredAt = null;
      if (error instanceof Refused) {
        this.#draw(refusalView(error));
        this.#listeners.onRefused(wanted, error);
        return;
      }
      if (error instanceof Unavailable) this.#tellUnavailable(error, "asking again");
      if (error instanceof Locked) this.#tellUnavailable(error, "these are old");
      throw error;
    }
  }

  // Keeps the height, so that nothing below jumps.
  #empty() {
    this.#answeredAt = null;
    this.#root.style.minHeight = `${this.#root.offsetHeight}px`;
    fill(this.#root, el("p", { class: "empty" }, "Waiting for quotes."));
    say(this.#freshness, "");
  }

  #draw(view) {
    delete this.#root.dataset.stale;
    this.#root.style.minHeight = "";
    fill(this.#root, view);
    this.#tellAge();
  }

  #tellUnavailable(error, then) {
    this.#root.dataset.stale = "true";
    const text = error.code === "NO_QUOTE" ? `no venue gave a quote: ${detailText(error.message)}` : error.message;
    say(this.#freshness, `${text}; ${then}`);
    if (!this.#root.hasChildNodes()) fill(this.#root, el("p", { class: "empty" }, "Waiting for quotes."));
  }

  #tellAge() {
    if (this.#answeredAt === null) {
      if (!this.#root.dataset.stale) say(this.#freshness, "");
      return;
    }
    const ageS = (performance.now() - this.#answeredAt) / 1000;
    say(this.#freshness, ageS < 3 ? "live" : `${group(ageS, 0)} s old`);
  }
}

function quotesView(route, wanted) {
  const best = Math[route.side === "buy" ? "min" : "max"](...route.quotes.map((quote) => Number(quote.price)));
  const winners = new Set(route.dex.split("+"));
  const cards = venuesOf(route).map((dex) => {
    const quote = route.quotes.find((each) => each.dex === dex);
    return dress(quote ? venueCard(quote, route.symbol, best, winners, wanted) : refusedCard(dex, route.refusals[dex]), dex);
  });
  return [el("div", { class: "venues" }, cards), verdict(route, wanted)];
}

function venueCard(quote, symbol, best, winners, wanted) {
  const worseBps = Math.abs(Number(quote.price) / best - 1) * 10_000;
  const isBuy = quote.side === "buy";
  return el(
    "article",
    { class: "venue", "data-dex": quote.dex, "data-winner": winners.has(quote.dex) },
    el("header", {}, el("h3", {}, venue(quote.dex)), winners.has(quote.dex) ? tag(winners) : null),
    el("p", { class: "price", title: `${quote.price} USDC` }, price(quote.price)),
    el(
      "dl",
      { class: "facts" },
      ...fact("Worse by", worseBps < 0.005 ? NONE : percent(worseBps)),
      ...fact("Mid price", price(quote.midPrice)),
      ...fact("Impact", percent(Number(quote.marketImpactBps))),
      ...fact("Fee", usdc(quote.fee)),
      ...fact(isBuy ? "Costs" : "Brings", usdc(fromUnits(quote.quoteAmount))),
      ...(hasTolerance(wanted) ? boundFact(quote, symbol) : []),
      ...fact("Pool", POOLS[quote.poolKind] ?? quote.poolKind),
    ),
  );
}

function tag(winners) {
  return el("span", { class: "tag" }, winners.size > 1 ? "in the split" : "wins");
}

function refusedCard(dex, why) {
  return el(
    "article",
    { class: "venue", "data-dex": dex, "data-refused": "true" },
    el("header", {}, el("h3", {}, venue(dex))),
    el("p", { class: "why" }, detailText(why)),
  );
}

// The amount that is not exact is bounded: mostly the USDC, the tokens if so many USDC were asked for.
function boundFact({ side, maxIn, minOut, baseDecimals }, symbol) {
  const isUsdcExact = (side === "buy") === (minOut !== undefined);
  const units = maxIn ?? minOut;
  return fact(maxIn === undefined ? "At least" : "At most", isUsdcExact ? `${quantity(fromUnits(units, baseDecimals))} ${symbol}` : usdc(fromUnits(units)));
}

function boundText({ side, quantity: tokens, limitAmount, legs, symbol }) {
  const isUsdcExact = tokens === undefined;
  const bound = (side === "buy") === isUsdcExact ? "at least" : "at most";
  return `${bound} ${isUsdcExact ? `${quantity(fromUnits(limitAmount, legs[0].baseDecimals))} ${symbol}` : `${usdc(fromUnits(limitAmount))} USDC`}`;
}

// The quotes' tolerance bounds an order that has one; the others sign a price of their own.
function hasTolerance({ type }) {
  return hasField("slippageBps", { type });
}

function signedText(route, { type, isExample }) {
  const amount = isExample ? `No quantity is given: these are prices for ${asked(route)}` : `For ${asked(route)}`;
  if (!hasTolerance({ type })) return `${amount}. ${type === "limit" ? "The limit" : "The worst price"} alone is signed, and no slippage.`;
  return `${amount}, with ${percent(route.slippageBps)} of slippage${type === "market" ? "" : " if it started now"}: ${boundText(route)}.`;
}

function verdict(route, wanted) {
  const quoteAge = Date.parse(route.legs[0].expiresAt) - Date.parse(route.legs[0].quotedAt);
  return el(
    "div",
    { class: "verdict", id: "verdict" },
    el("p", {}, el("strong", {}, `${venues(route.dex)} at ${price(route.quotedPrice)} USDC`), " ", el("span", { class: "tag" }, REASONS[route.routeReason] ?? route.routeReason)),
    el("p", { class: "why" }, routeText(route.routeDetail)),
    route.legs.length > 1 ? splitBar(route) : null,
    el("p", { class: "hint" }, `${signedText(route, wanted)} A quote holds for ${group(quoteAge / 1000, 3, 0)} s. Amounts are in USDC.`),
  );
}

function splitBar(route) {
  const total = route.legs.reduce((sum, leg) => sum + Number(leg.baseAmount), 0);
  const parts = route.legs.map((leg) => {
    const share = Number(leg.baseAmount) / total;
    const part = dress(el("span", { class: "part", "data-dex": leg.dex }, `${venue(leg.dex)} ${percent(share * 10_000)}`), leg.dex);
    part.style.flexGrow = String(share);
    return part;
  });
  return el("div", { class: "split" }, parts);
}

function refusalView(error) {
  if (error.errors.length) {
    return el("p", { class: "empty" }, `No quotes: ${error.errors.map((each) => `${each.field} ${each.message}`).join("; ")}.`);
  }
  return el(
    "div",
    { class: "verdict", "data-refused": "true" },
    el("p", {}, el("strong", {}, REFUSALS[error.code] ?? error.code)),
    el("p", { class: "why" }, `${sentence(detailText(error.message))}.`),
  );
}

function fact(name, value) {
  return [el("dt", {}, name), el("dd", {}, value)];
}
