// Makes every request and every socket of the page.

import { key } from "./key.js";

const TIMEOUT_MS = 10_000;
const NO_NEW_ORDERS = new Set(["ORDERS_DISABLED", "QUEUE_FULL"]);

// The API refused the request: a retry gets the same answer.
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.name = "Refused";
    this.status = problem.status;
    this.code = problem.code;
    this.errors = problem.errors ?? [];
    this.order = problem.order ?? null; // as it is now, if the request came too late for it
  }
}

// No answer, or one that asks for a retry: the request may or may not have taken effect.
export class Unavailable extends Error {
  constructor(detail, { code = null, retryAfterMs = null, wasDenied = false } = {}) {
    super(detail);
    this.name = "Unavailable";
    this.code = code;
    this.wasDenied = wasDenied; // then the request had no effect
    this.retryAfterMs = retryAfterMs;
  }
}

// The service requires a key, and no valid one was given: the request had no effect.
export class Locked extends Error {
  constructor() {
    super("the service asks for a key");
    this.name = "Locked";
  }
}

// Whether a key that is not stored yet is valid.
export function tryKey(text, signal) {
  return request("/api/instruments", { signal, bearer: text });
}

export function getInstruments(signal) {
  return request("/api/instruments", { signal });
}

export function getQuotes(wanted, signal) {
  return request(`/api/quotes?${query(wanted)}`, { signal });
}

export function getOrder(orderId, signal) {
  return request(`/api/orders/${encodeURIComponent(orderId)}`, { signal });
}

export function getEvents(orderId, after, signal) {
  return request(`/api/orders/${encodeURIComponent(orderId)}/events?${query({ after })}`, { signal });
}

export function getOrders(wanted, signal) {
  return request(`/api/orders?${query(wanted)}`, { signal });
}

export function getReadiness(signal) {
  return request("/readyz", { signal });
}

export function postOrder(order, idempotencyKey, signal) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey };
  return request("/api/orders/execute", { method: "POST", headers, body: JSON.stringify(order), signal });
}

// The order: canceled, or still submitted, so that the network decides. Repeating is safe.
export function cancelOrder(orderId, signal) {
  return request(`/api/orders/${encodeURIComponent(orderId)}`, { method: "DELETE", signal });
}

// How many orders were canceled, requested to be, and too late.
export function cancelOrders(wanted, signal) {
  return request(`/api/orders?${query(wanted)}`, { method: "DELETE", signal });
}

// Changes an order that waits, if it still has this version.
export function amendOrder({ orderId, version }, changes, signal) {
  const headers = { "Content-Type": "application/json", "If-Match": `"${version}"` };
  return request(`/api/orders/${encodeURIComponent(orderId)}`, { method: "PATCH", headers, body: JSON.stringify(changes), signal });
}

// A browser's socket can carry no header: a ticket, bought with the key, opens this one, once.
export async function openUpdates(orderId, after, signal) {
  if (key.isLocked) throw new Locked();
  const { ticket } = key.text === null ? {} : await request("/api/tickets", { method: "POST", signal });
  const url = new URL(`/ws/orders?${query({ orderId, after: after || "", ticket })}`, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url);
}

// randomUUID exists in secure contexts only, and the page may be opened from another machine.
export function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function request(path, { signal, bearer = key.text, ...options }) {
  const isClosed = path.startsWith("/api/");
  if (isClosed && bearer === null && key.isLocked) throw new Locked();
  const headers = { ...options.headers, ...(isClosed && bearer !== null ? { Authorization: `Bearer ${bearer}` } : {}) };
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let answer;
  let document;
  try {
    answer = await fetch(path, { ...options, headers, signal: signal ? AbortSignal.any([signal, limit]) : limit });
    document = await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unavailable(answer ? "the answer was cut off" : "the server does not answer");
  }
  if (answer.ok) return document;
  if (answer.status === 401) {
    key.refused(bearer);
    throw new Locked();
  }
  throw asError(answer, document);
}

function asError(answer, problem) {
  const isPassing = answer.status >= 500 || answer.status === 429 || problem.code === "IDEMPOTENCY_CONFLICT";
  if (!isPassing) return new Refused(problem);
  const retryAfterS = Number(answer.headers.get("Retry-After"));
  return new Unavailable(problem.detail, {
    code: problem.code,
    wasDenied: answer.status === 429 || NO_NEW_ORDERS.has(problem.code),
    retryAfterMs: retryAfterS > 0 ? retryAfterS * 1000 : null,
  });
}

function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined);
  return new URLSearchParams(given);
}
