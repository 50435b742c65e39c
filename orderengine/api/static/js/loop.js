// Doing something again and again, one at a time, and not at all while nobody looks.

import { Locked, Unavailable } from "./api.js";
import { key } from "./key.js";

const LONGEST_WAIT_MS = 10_000;

// 0.5 s, 1 s, 2 s … up to 10 s, half of it by chance, so that pages do not come back all at once.
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

  // Nothing is done before it is first asked for by `soon`.
  constructor(task, periodMs) {
    this.#task = task;
    this.#periodMs = periodMs;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#halt();
      else this.#goOn();
    });
    key.addEventListener("change", () => this.#goOn());
  }

  // Run after the delay; whatever runs or waits now is dropped.
  soon(delayMs = 0) {
    this.#isStarted = true;
    this.#halt();
    if (!document.hidden) this.#timer = setTimeout(() => this.#run(), delayMs);
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
      if (running.signal.aborted || error instanceof Locked) return; // a key lets it go on
      if (!(error instanceof Unavailable)) throw error;
      waitMs = error.retryAfterMs ?? Math.max(waitMs, backoffMs(this.#failures++));
    }
    if (!running.signal.aborted) this.#timer = setTimeout(() => this.#run(), waitMs);
  }
}
