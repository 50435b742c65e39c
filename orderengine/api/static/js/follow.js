// One order's events, each once and in order, over as many sockets as that takes.

import { Refused, Unavailable, getEvents, openUpdates } from "./api.js";
import { TERMINAL } from "./format.js";
import { backoffMs } from "./loop.js";

const SERVED_TO_THE_END = 1000;
const SILENCE_MS = 8_000;

export class Follower {
  #orderId;
  #listeners;
  #last = 0;
  #ended = false;
  #stopped = new AbortController();
  #socket = null;
  #tries = 0;
  #timer = null;

  // `onEvent(event)`; `onLink({ state, … })` with connecting, live, waiting, ended or unknown.
  constructor(orderId, listeners) {
    this.#orderId = orderId;
    this.#listeners = listeners;
    this.#connect();
  }

  stop() {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #connect() {
    const socket = (this.#socket = openUpdates(this.#orderId, this.#last));
    let isOpen = false;
    this.#link({ state: "connecting", after: this.#last });
    socket.addEventListener("open", () => {
      isOpen = true;
      this.#link({ state: "live" });
      this.#listen();
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      this.#tries = 0;
      this.#take(JSON.parse(data));
      this.#listen();
    });
    socket.addEventListener("close", ({ code }) => {
      if (this.#stopped.signal.aborted || socket !== this.#socket) return;
      clearTimeout(this.#timer);
      if (code === SERVED_TO_THE_END && this.#ended) this.#link({ state: "ended" });
      else void this.#recover(isOpen);
    });
  }

  // An order may have nothing to tell for long, and a half-open connection is silent for ever.
  #listen() {
    clearTimeout(this.#timer);
    this.#timer = this.#ended ? null : setTimeout(() => void this.#doubt(), SILENCE_MS);
  }

  async #doubt() {
    const [timer, last, socket] = [this.#timer, this.#last, this.#socket];
    const mayGoOn = await this.#readMissed();
    if (timer !== this.#timer || this.#stopped.signal.aborted) return; // it has spoken after all
    if (mayGoOn && this.#last === last) {
      this.#listen();
      return;
    }
    this.#socket = null; // it has kept something back: whatever it still says is not listened to
    socket.close();
    if (mayGoOn) this.#wait();
  }

  // The browser does not tell why a handshake was refused; the API does.
  async #recover(wasOpen) {
    if (wasOpen || (await this.#readMissed())) this.#wait();
  }

  #wait() {
    const retryInMs = backoffMs(this.#tries++);
    clearTimeout(this.#timer);
    this.#link({ state: "waiting", retryInMs, after: this.#last });
    this.#timer = setTimeout(() => this.#connect(), retryInMs);
  }

  // True if there is more to wait for.
  async #readMissed() {
    try {
      const { events } = await getEvents(this.#orderId, this.#last, this.#stopped.signal);
      events.forEach((event) => this.#take(event));
      if (this.#ended) this.#link({ state: "ended" });
      return !this.#ended;
    } catch (error) {
      if (this.#stopped.signal.aborted) return false;
      if (error instanceof Unavailable) return true;
      if (!(error instanceof Refused)) throw error;
      this.#link({ state: "unknown", detail: error.message });
      return false;
    }
  }

  #take(event) {
    if (this.#stopped.signal.aborted || event.seq <= this.#last) return;
    if (event.seq > this.#last + 1) {
      this.#socket?.close(); // what is missing comes again after the one that was seen last
      return;
    }
    this.#last = event.seq;
    this.#ended = TERMINAL.has(event.status);
    this.#listeners.onEvent(event);
  }

  #link(link) {
    this.#listeners.onLink(link);
  }
}
