// Repeats a task, one run at a time, and pauses while the page is hidden.

import { Locked, Unavailable } from "./api.js";
import { key } from "./key.js";

const LONGEST_WAIT_MS = 10_000;

// 0.5 s, 1 s, 2 s … up to 10 s, half of it random, so that pages do not retry all at once.
export function backoffMs(tries) {
  const most = Math.min(LONGEST_WAIT_MS, 500 * 2 ** Math.min(tries, 10));
  return most / 2 + (Math.random() * most) / 2;
}

export class Loop {
  #task;
  #periodMs;
  #timer = null;
  #running = null;
  #failures = 0;
  #isStarted = false;

  // The first run waits for a call of `soon`.
  constructor(task, periodMs) {
    this.#task = task;
    this.#periodMs = periodMs;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#halt();
      else this.#goOn();
    });
    key.addEventListener("change", () => this.#goOn());
  }

  // Runs after the delay; cancels a run that is under way or waits.
  soon(delayMs = 0) {
    this.#isStarted = true;
    this.#halt();
    if (!document.hidden) this.#timer = setTimeout(() => this.#run(), delayMs);
  }

  // Until the next call of `soon`.
  stop() {
    this.#isStarted = false;
    this.#halt();
  }

  #goOn() {
    if (this.#isStarted) this.soon();
  }

  #halt() {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = null;
  }

  async #run() {
    const running = (this.#running = new AbortController());
    let waitMs = this.#periodMs;
    try {
      await this.#task(running.signal);
      this.#failures = 0;
    } catch (error) {
      if (running.signal.aborted || error instanceof Locked) return; // it continues once there is a key
      if (!(error instanceof Unavailable)) throw error;
      waitMs = error.retryAfterMs ?? Math.max(waitMs, backoffMs(this.#failures++));
    }
    if (!running.signal.aborted) this.#timer = setTimeout(() => this.#run(), waitMs);
  }
}
