// Follows one order's events, each once and in order, across reconnects.

import { Locked, Refused, Unavailable, getEvents, getOrder, openUpdates } from "./api.js";
import { key } from "./key.js";
import { backoffMs } from "./loop.js";
import { OPEN, TERMINAL } from "./statuses.js";

const SERVED_TO_THE_END = 1000;
const PRUNED = "EVENTS_PRUNED";
const SILENCE_MS = 8_000;

export class Follower {
  #orderId;
  #listeners;
  #last = 0;
  #status = null;
  #ended = false;
  #stopped = new AbortController();
  #isLocked = false;
  #socket = null;
  #tries = 0;
  #timer = null;

  // `onEvent(event)`; `onResult(order)` instead if its events were pruned; `onLink({ state, … })`
  // with connecting, live, waiting, locked, ended, pruned or unknown.
  constructor(orderId, listeners) {
    this.#orderId = orderId;
    this.#listeners = listeners;
    key.addEventListener("change", () => this.#unlock(), { signal: this.#stopped.signal });
    void this.#connect();
  }

  stop() {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  async #connect() {
    this.#link({ state: "connecting", after: this.#last });
    try {
      this.#listenTo(await openUpdates(this.#orderId, this.#last, this.#stopped.signal));
    } catch (error) {
      if (this.#tellStop(error)) this.#wait();
    }
  }

  #listenTo(socket) {
    let isOpen = false;
    this.#socket = socket;
    if (this.#stopped.signal.aborted) socket.close();
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
      // A later release may end an order with a status that is not known here.
      this.#ended ||= code === SERVED_TO_THE_END && this.#last > 0 && !OPEN.includes(this.#status);
      if (code === SERVED_TO_THE_END && this.#ended) this.#link({ state: "ended" });
      else void this.#recover(isOpen);
    });
  }

  // An order may have no events for long, and a half-open connection is silent for ever.
  #listen() {
    clearTimeout(this.#timer);
    this.#timer = this.#ended ? null : setTimeout(() => void this.#doubt(), SILENCE_MS);
  }

  async #doubt() {
    const [timer, last, socket] = [this.#timer, this.#last, this.#socket];
    const mayGoOn = await this.#readMissed();
    if (timer !== this.#timer || this.#stopped.signal.aborted) return; // an event has come after all
    if (mayGoOn && this.#last === last) {
      this.#listen();
      return;
    }
    this.#socket = null; // it has missed an event: ignore its later ones
    socket.close();
    if (mayGoOn) this.#wait();
  }

  // The browser hides why a handshake was refused; the API says it.
  async #recover(wasOpen) {
    if (wasOpen || (await this.#readMissed())) this.#wait();
  }

  #wait() {
    const retryInMs = backoffMs(this.#tries++);
    clearTimeout(this.#timer);
    this.#link({ state: "waiting", retryInMs, after: this.#last });
    this.#timer = setTimeout(() => void this.#connect(), retryInMs);
  }

  // True if a retry may help; else it reports why not.
  #tellStop(error) {
    if (this.#stopped.signal.aborted) return false;
    if (error instanceof Unavailable) return true;
    this.#isLocked = error instanceof Locked;
    if (this.#isLocked) this.#link({ state: "locked", after: this.#last });
    else if (error instanceof Refused) this.#link({ state: "unknown", detail: error.message });
    else throw error;
    return false;
  }

  #unlock() {
    if (!this.#isLocked || key.isLocked) return;
    this.#isLocked = false;
    void this.#connect();
  }

  // True if more events may come.
  async #readMissed() {
    try {
      const { events } = await getEvents(this.#orderId, this.#last, this.#stopped.signal);
      events.forEach((event) => this.#take(event));
      if (this.#ended) this.#link({ state: "ended" });
      return !this.#ended;
    } catch (error) {
      return error.code === PRUNED ? this.#readResult() : this.#tellStop(error);
    }
  }

  // True if a retry may help.
  async #readResult() {
    try {
      this.#listeners.onResult(await getOrder(this.#orderId, this.#stopped.signal));
      this.#link({ state: "pruned" });
      return false;
    } catch (error) {
      return this.#tellStop(error);
    }
  }

  #take(event) {
    if (this.#stopped.signal.aborted || event.seq <= this.#last) return;
    if (event.seq > this.#last + 1) {
      this.#socket?.close(); // the next socket also sends the missing events
      return;
    }
    this.#last = event.seq;
    this.#status = event.status;
    this.#ended = TERMINAL.has(event.status);
    this.#listeners.onEvent(event);
  }

  #link(link) {
    this.#listeners.onLink(link);
  }
}
