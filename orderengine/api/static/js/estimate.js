// What the ticket's order comes to, in plain words, from its fields and the current quotes.

import { fromUnits, group, percent, price, quantity, usdc } from "./format.js";
import { amountText, startsAtOnce } from "./terms.js";

export const TOO_LARGE = "Too large for the pools";
export const NOT_OPEN = "Not open yet";

const HIGH_IMPACT_BPS = 100;
const FAR_FROM_MARKET = 0.05;
const PLAIN = /^\d+(\.\d+)?$/;

// `route` is the answer to the quotes for these values, or `refusal` the reason why there is none;
// null if not known. `lines` tell, `warnings` have a `kind` and a `text`; `sizeUsdc` is the most that
// the order may be worth, null if unknown.
export function estimateOf(values, { route = null, refusal = null, isHalted = false }) {
  if (!isAmount(values.quantity)) return { lines: [], warnings: [], sizeUsdc: null };
  const now = route ? figuresOf(values, route) : null;
  const { lines, warnings, worstUsdc } = BY_TYPE[values.type](values, now);
  if (now) lines.push(costText(values, now));
  if (refusal) warnings.push(...refusedNow(values, refusal));
  if (isHalted) warnings.push({ kind: "Trading is halted", text: "The order is accepted, and starts when the operator resumes." });
  if (now && now.impactBps >= HIGH_IMPACT_BPS) {
    warnings.unshift({ kind: "High impact", text: `The order moves the price by ${percent(now.impactBps)} by itself. A smaller one costs less.` });
  }
  return { lines, warnings, sizeUsdc: Math.max(worstUsdc ?? 0, now?.totalUsdc ?? 0) || null };
}

const BY_TYPE = { market, limit, stop, sniper };

// The figures of a route in whole USDC and tokens; `each` is its price, `mid` that of the market.
function figuresOf(values, route) {
  const sum = (value) => route.legs.reduce((total, leg) => total + value(leg), 0);
  const totalUsdc = fromUnits(sum((leg) => Number(leg.quoteAmount)));
  const tokens = sum((leg) => fromUnits(leg.baseAmount, leg.baseDecimals));
  const limit = Number(route.limitAmount);
  const isExactUsdc = values.unit === "usdc";
  return {
    totalUsdc,
    tokens,
    fee: sum((leg) => Number(leg.fee)),
    impactBps: sum((leg) => Number(leg.marketImpactBps) * Number(leg.quoteAmount)) / (totalUsdc * 1e6),
    each: Number(route.quotedPrice),
    mid: sumOf(route.quotes.map(({ midPrice }) => Number(midPrice))) / route.quotes.length,
    worst: isExactUsdc ? fromUnits(limit, route.legs[0].baseDecimals) : fromUnits(limit),
  };
}

function market(values, now) {
  if (!now) return { lines: [], warnings: [], worstUsdc: null };
  const { text, worstUsdc } = worstCase(values, now.worst);
  return { lines: [aboutText(values, now), `Worst case: ${text}; else the order fails.`], warnings: missedWorst(values, now), worstUsdc };
}

// What keeps the venues from quoting, and what that means for an order of this type.
function refusedNow(values, { code }) {
  const { type, symbol } = values;
  const startsNow = startsAtOnce(values);
  if (code === "INSUFFICIENT_LIQUIDITY") {
    const then = { market: "The order would fail.", limit: "It waits until they are deep enough.", stop: "It fails if they still are when it starts." };
    return [{ kind: TOO_LARGE, text: startsNow ? then.market : (then[type] ?? then.stop) }];
  }
  if (code !== "NOT_OPEN" || type === "sniper") return [];
  return [{ kind: NOT_OPEN, text: startsNow ? "Such an order is refused until a pool opens. A sniper waits for it." : `It waits at least until a pool of ${symbol} opens.` }];
}

function costText({ type }, { fee, impactBps }) {
  const [cost, impact] = [`${usdc(fee)} USDC`, percent(impactBps)];
  return type === "market" ? `Fee ${cost}, impact ${impact}: both are included.` : `Now the fee would be ${cost}, and the impact ${impact}.`;
}

function limit(values, now) {
  if (!isAmount(values.limitPrice)) return { lines: now ? [aboutText(values, now)] : [], warnings: [], worstUsdc: null };
  const [each, isOnce] = [Number(values.limitPrice), values.timeInForce === "IOC"];
  const most = values.unit === "usdc" ? Number(values.quantity) : each * Number(values.quantity);
  const bound = values.side === "buy" ? "at most" : "at least";
  const begin = isOnce ? "Tries once" : "Waits until it is possible";
  const lines = [`${begin}: ${amountText(values)} for ${bound} ${price(each)} USDC each, fee and impact included${values.unit === "usdc" ? "" : `, ${usdc(most)} USDC in all`}.`];
  const warnings = [];
  if (now) {
    const gap = worseBy(values.side, now.each, each);
    const way = `${values.side === "buy" ? "fall" : "rise"} by ${percent(Math.abs(each / now.each - 1) * 10_000)}`;
    lines.push(gap > 0 ? `Can not be met now: it is ${price(now.each)} each, and has to ${way}.` : `Can be met now, at about ${price(now.each)} each.`);
    if (gap > 0 && isOnce) warnings.push({ kind: "Price out of reach", text: "The limit can not be met now, and the order has one try: it would expire unfilled." });
    if (-gap >= FAR_FROM_MARKET) warnings.push({ kind: "Far from the market", text: `The limit is ${percent(-gap * 10_000)} worse than the price of now.` });
  }
  return { lines, warnings, worstUsdc: most };
}

function stop(values, now) {
  const lines = [];
  const warnings = [];
  if (isAmount(values.stopPrice)) {
    const [target, isBuy] = [Number(values.stopPrice), values.side === "buy"];
    lines.push(`Starts once the market's price is ${price(target)} USDC or ${isBuy ? "more" : "less"}${now ? `; it is about ${price(now.mid)}` : ""}.`);
    if (now && (isBuy ? now.mid >= target : now.mid <= target)) {
      warnings.push({ kind: "Price is there already", text: "Such a stop would start at once, and is refused. Send a market order instead." });
    }
  }
  if (isAmount(values.stopPrice) && isAmount(values.worstPrice) && worseBy(values.side, Number(values.stopPrice), Number(values.worstPrice)) > 0) {
    warnings.push({ kind: "Price out of reach", text: "The worst price is better than the stop price, so the order would fail when it starts." });
  }
  const { text, worstUsdc } = worstCase(values, null);
  if (text) lines.push(`Worst case: ${text}; else the order fails.`);
  else if (now) lines.push(`Without a worst price it takes the price of that time, within the slippage. Now that would be about ${usdc(now.totalUsdc)} USDC.`);
  return { lines, warnings, worstUsdc };
}

function sniper(values) {
  const least = isAmount(values["trigger.minLiquidity"]) ? ` and holds ${usdc(values["trigger.minLiquidity"])} USDC` : "";
  const { text, worstUsdc } = worstCase(values, null);
  const lines = [`Starts once a pool of ${values.symbol} is open${least}.`];
  if (text) lines.push(`Worst case: ${text}; else the order fails.`);
  return { lines, warnings: [], worstUsdc };
}

function aboutText(values, { totalUsdc, tokens, each }) {
  const [isBuy, given] = [values.side === "buy", values.unit === "usdc"];
  if (given) {
    const about = `about ${quantity(tokens)} ${values.symbol}, ${price(each)} each`;
    return isBuy ? `Spends exactly ${usdc(values.quantity)} USDC, and brings ${about}.` : `Brings exactly ${usdc(values.quantity)} USDC for ${about}.`;
  }
  return `${isBuy ? "Costs" : "Brings"} about ${usdc(totalUsdc)} USDC for ${amountText(values)}, ${price(each)} each.`;
}

// The worst case that the quotes' limit and the worst price leave, whichever is better.
function worstCase({ side, unit, symbol, quantity: amount, worstPrice }, quoted) {
  const [isBuy, given] = [side === "buy", Number(amount)];
  const worst = isAmount(worstPrice) ? (unit === "usdc" ? given / Number(worstPrice) : given * Number(worstPrice)) : null;
  const bounds = [quoted, worst].filter((each) => each !== null);
  if (bounds.length === 0) return { text: null, worstUsdc: null };
  if (unit === "usdc") {
    const tokens = isBuy ? Math.max(...bounds) : Math.min(...bounds);
    return { text: isBuy ? `${quantity(tokens)} ${symbol} for it` : `${quantity(tokens)} ${symbol} spent`, worstUsdc: given };
  }
  const total = isBuy ? Math.min(...bounds) : Math.max(...bounds);
  return { text: isBuy ? `${usdc(total)} USDC paid` : `${usdc(total)} USDC received`, worstUsdc: total };
}

function missedWorst({ side, worstPrice }, now) {
  if (!isAmount(worstPrice) || worseBy(side, now.each, Number(worstPrice)) <= 0) return [];
  return [{ kind: "Price out of reach", text: `The worst price can not be met now: it is ${price(now.each)} USDC each. The order would fail.` }];
}

// By what share a price is worse than another, below 0 if it is better.
function worseBy(side, each, than) {
  return side === "buy" ? each / than - 1 : than / each - 1;
}

export function isAmount(text) {
  return PLAIN.test(text ?? "") && Number(text) > 0;
}

function sumOf(numbers) {
  return numbers.reduce((total, each) => total + each, 0);
}
