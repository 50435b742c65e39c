// Formats numbers and times for the page; a title keeps the API's exact text where it matters.

const USDC_DECIMALS = 6;
const LEAST_BPS = 1; // that is told as a number
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "2-digit" });

export const NONE = "–";

export function group(number, digits, least = digits) {
  return number.toLocaleString("en-US", { minimumFractionDigits: least, maximumFractionDigits: digits });
}

// Five significant digits at least, without an exponent: 226.0586, 97,201.18, 0.000048712.
export function price(text) {
  if (text === undefined || text === null) return NONE;
  const number = Number(text);
  const magnitude = number > 0 ? Math.floor(Math.log10(number)) : 0;
  const digits = magnitude >= 3 ? 2 : Math.min(20, 4 + Math.max(0, -magnitude));
  return group(number, digits);
}

export function quantity(text) {
  return text === undefined ? NONE : group(Number(text), 9, 0);
}

// What an order asks for, after its side: 10 AAPL, or 100 USDC of AAPL.
export function asked({ quantity: tokens, quoteQuantity, symbol }) {
  return quoteQuantity === undefined ? `${quantity(tokens)} ${symbol}` : `${quantity(quoteQuantity)} USDC of ${symbol}`;
}

export function usdc(text, digits = 2) {
  const number = Number(text);
  return group(number, number !== 0 && Math.abs(number) < 1 ? 4 : digits);
}

// A share that the API gives in basis points: 12.5 is 0.13 %.
export function percent(bps) {
  return bps > 0 && bps < LEAST_BPS ? `< ${group(LEAST_BPS / 100, 2)} %` : `${group(bps / 100, 2)} %`;
}

export function fromUnits(units, decimals = USDC_DECIMALS) {
  return Number(units) / 10 ** decimals;
}

function signed(number, digits) {
  const text = group(Math.abs(number), digits);
  if (Number(text) === 0) return text;
  return number < 0 ? `−${text}` : `+${text}`;
}

export function slippage(text) {
  return text === undefined ? NONE : `${signed(Number(text), 2)} %`;
}

export function seconds(ms) {
  return ms >= 100_000 ? `${group(ms / 1000, 0)} s` : `${group(ms / 1000, ms >= 10_000 ? 1 : 3)} s`;
}

export function between(earlier, later) {
  return Date.parse(later) - Date.parse(earlier);
}

export function timeOfDay(date) {
  return clock.format(date);
}

export function moment(text) {
  const at = new Date(text);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

export function short(hash) {
  return `${hash.slice(0, 6)}…${hash.slice(-6)}`;
}

export function venues(dex) {
  return dex === undefined ? NONE : dex.split("+").map(venue).join(" + ");
}

export function venue(dex) {
  return dex[0].toUpperCase() + dex.slice(1);
}
