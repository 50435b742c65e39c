// The venues' current quotes for the ticket, which one would win, and why.

import { Locked, Refused, Unavailable, getQuotes } from "./api.js";
import { el, fill, find, say } from "./dom.js";
import { fromUnits, group, price, usdc, venue, venues } from "./format.js";
import { Loop } from "./loop.js";
import { dress, venuesOf } from "./venues.js";

const PERIOD_MS = 1_500;
const DEBOUNCE_MS = 250;
const POOLS = { cpmm: "CPMM", dlmm: "DLMM" };
const REASONS = {
  BEST_PRICE: "best price",
  ONLY_QUOTE: "only quote",
  BEST_SPLIT: "best in parts",
  ONLY_SPLIT: "only in parts",
  NO_BETTER_SPLIT: "best price",
};

export class Quotes {
  #root = find("#quotes");
  #freshness = find("#freshness");
  #wanted = null;
  #answeredAt = null;
  #listeners;
  #loop = new Loop((signal) => this.#refresh(signal), PERIOD_MS);

  // Each request ends with `onQuotes(wanted, route)` or `onRefused(refusal)`.
  constructor(listeners) {
    this.#listeners = listeners;
    setInterval(() => this.#tellAge(), 500);
  }

  show(wanted) {
    this.#wanted = wanted;
    this.#root.dataset.stale = "true";
    this.#loop.soon(DEBOUNCE_MS);
  }

  async #refresh(signal) {
    const wanted = this.#wanted;
    try {
      const route = await getQuotes(wanted, signal);
      this.#answeredAt = performance.now();
      this.#draw(quotesView(route));
      this.#listeners.onQuotes(wanted, route);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#answeredAt = null;
      if (error instanceof Refused) {
        this.#draw(refusalView(error));
        this.#listeners.onRefused(error);
        return;
      }
      if (error instanceof Unavailable) this.#tellUnavailable(error, "asking again");
      if (error instanceof Locked) this.#tellUnavailable(error, "these are old");
      throw error;
    }
  }

  #draw(view) {
    delete this.#root.dataset.stale;
    fill(this.#root, view);
    this.#tellAge();
  }

  #tellUnavailable(error, then) {
    this.#root.dataset.stale = "true";
    const text = error.code === "NO_QUOTE" ? `no venue gave a quote: ${error.message}` : error.message;
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

function quotesView(route) {
  const best = Math[route.side === "buy" ? "min" : "max"](...route.quotes.map((quote) => Number(quote.price)));
  const winners = new Set(route.dex.split("+"));
  const cards = venuesOf(route).map((dex) => {
    const quote = route.quotes.find((each) => each.dex === dex);
    return dress(quote ? venueCard(quote, best, winners) : refusedCard(dex, route.refusals[dex]), dex);
  });
  return [el("div", { class: "venues" }, cards), verdict(route)];
}

function venueCard(quote, best, winners) {
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
      ...fact("Worse by", worseBps < 0.005 ? "–" : `${group(worseBps, 1)} bps`),
      ...fact("Mid price", price(quote.midPrice)),
      ...fact("Impact", `${group(Number(quote.marketImpactBps), 2)} bps`),
      ...fact("Fee", usdc(quote.fee)),
      ...fact(isBuy ? "Costs" : "Brings", usdc(fromUnits(quote.quoteAmount))),
      ...fact(isBuy ? "At most" : "At least", usdc(fromUnits(quote.maxIn ?? quote.minOut))),
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
    el("p", { class: "why" }, why),
  );
}

function verdict(route) {
  const limit = usdc(fromUnits(route.limitAmount));
  const bound = route.side === "buy" ? "at most" : "at least";
  const quoteAge = Date.parse(route.legs[0].expiresAt) - Date.parse(route.legs[0].quotedAt);
  return el(
    "div",
    { class: "verdict", id: "verdict" },
    el("p", {}, el("strong", {}, `${venues(route.dex)} at ${price(route.quotedPrice)} USDC`), " ", el("span", { class: "tag" }, REASONS[route.routeReason] ?? route.routeReason)),
    el("p", { class: "why" }, route.routeDetail),
    route.legs.length > 1 ? splitBar(route) : null,
    el("p", { class: "hint" }, `With ${route.slippageBps} bps: ${bound} ${limit} USDC. A quote holds for ${group(quoteAge / 1000, 3, 0)} s. Amounts are in USDC.`),
  );
}

function splitBar(route) {
  const total = route.legs.reduce((sum, leg) => sum + Number(leg.baseAmount), 0);
  const parts = route.legs.map((leg) => {
    const share = Number(leg.baseAmount) / total;
    const part = dress(el("span", { class: "part", "data-dex": leg.dex }, `${venue(leg.dex)} ${group(share * 100, 1)} %`), leg.dex);
    part.style.flexGrow = String(share);
    return part;
  });
  return el("div", { class: "split" }, parts);
}

function refusalView(error) {
  if (error.errors.length) {
    return el("p", { class: "empty" }, `No quotes: ${error.errors.map((each) => `${each.field} ${each.message}`).join("; ")}.`);
  }
  const isShallow = error.code === "INSUFFICIENT_LIQUIDITY";
  return el(
    "div",
    { class: "verdict", "data-refused": "true" },
    el("p", {}, el("strong", {}, isShallow ? "Too large for the pools" : error.code)),
    el("p", { class: "why" }, error.message),
  );
}

function fact(name, value) {
  return [el("dt", {}, name), el("dd", {}, value)];
}
