// Sends one order until it is answered, and knows whether it may be stored meanwhile.

import { Unavailable, newIdempotencyKey, postOrder } from "./api.js";
import { backoffMs } from "./loop.js";

const GIVE_UP_AFTER = 20;

export class Sending {
  #stopped = new AbortController();
  mayBeStored = false;

  get isStopped() {
    return this.#stopped.signal.aborted;
  }

  stop() {
    this.#stopped.abort();
  }

  // One submission has one key, so a retry never orders twice; `onWait(error)` before each retry.
  async untilAnswered(order, onWait) {
    const { signal } = this.#stopped;
    const key = newIdempotencyKey();
    for (let tries = 0; ; tries++) {
      const mayBeStored = this.mayBeStored;
      try {
        this.mayBeStored = true; // while it is under way
        return await postOrder(order, key, signal);
      } catch (error) {
        signal.throwIfAborted();
        const isPassing = error instanceof Unavailable;
        if (!isPassing || error.wasDenied) this.mayBeStored = mayBeStored;
        if (!isPassing || tries >= GIVE_UP_AFTER) throw error;
        onWait(error);
        await pause(error.retryAfterMs ?? backoffMs(tries), signal);
      }
    }
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
