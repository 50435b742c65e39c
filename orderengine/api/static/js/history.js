// Sums up an order's events: its attempts, and how long each stage took.

import { between } from "./format.js";
import { OPEN } from "./statuses.js";

// Each event with how long its status lasted (null while it lasts), under the attempt it belongs to.
export function attemptsOf(events) {
  const attempts = [];
  events.forEach((event, index) => {
    const next = events[index + 1];
    const step = { ...event, sinceMs: between(events[0].at, event.at), lastedMs: next ? between(event.at, next.at) : null };
    if (attempts.at(-1)?.number !== event.attempt) {
      attempts.push({ number: event.attempt, steps: [], failure: null });
    }
    attempts.at(-1).steps.push(step);
    if (event.status === "failed") attempts.at(-1).failure = event.data;
    // The event that begins the next attempt holds the failure of this one.
    if (event.data.reason && ["pending", "waiting"].includes(event.status)) attempts.at(-2).failure = event.data;
  });
  return attempts;
}

// How long each reached stage lasted, over all attempts; the current one counts up to `nowMs`. A
// stage of less than a millisecond counts as 0.
export function stageTimes(events, nowMs) {
  const times = new Map();
  events.forEach((event, index) => {
    if (!OPEN.includes(event.status)) return;
    const next = events[index + 1];
    const lasted = next ? between(event.at, next.at) : Math.max(0, nowMs - Date.parse(event.at));
    times.set(event.status, (times.get(event.status) ?? 0) + lasted);
  });
  return times;
}

// The order rebuilt from its events, with the API's field names.
export function orderOf(events) {
  const [first, last] = [events[0], events.at(-1)];
  return {
    ...first.data,
    ...events.findLast((event) => event.status === "waiting" && event.seq > 1 && !event.data.reason)?.data,
    ...lastOf(events, "building")?.data,
    ...lastOf(events, "confirmed")?.data,
    ...lastOf(events, "failed")?.data,
    ...lastOf(events, "expired")?.data,
    cancelRequested: lastWith(events, "cancelRequested"),
    orderId: last.orderId,
    status: last.status,
    txHash: lastWith(events, "txHash"),
    createdAt: first.at,
    updatedAt: last.at,
  };
}

function lastWith(events, key) {
  return events.findLast((event) => event.data[key] !== undefined)?.data[key];
}

function lastOf(events, status) {
  return events.findLast((event) => event.status === status);
}
