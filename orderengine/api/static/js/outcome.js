// What came of sending the ticket's order; after a slippage failure it offers the order again.

import { find, say } from "./dom.js";
import { percent, price, slippage } from "./format.js";
import { reasonText } from "./reasons.js";
import { TERMINAL } from "./statuses.js";

const LEAST_AGAIN_BPS = 50;
const MOST_BPS = 10_000;

export class Outcome {
  #text = find("#outcome");
  #again = find("#again");
  #orderId = null; // the order that it tells of, once it is stored

  // `onAgain(slippageBps)` if the order shall be sent again.
  constructor(onAgain) {
    this.#again.addEventListener("click", () => {
      this.#again.hidden = true;
      onAgain(this.#again.dataset.bps);
    });
  }

  begin() {
    this.forget();
    this.tell("sending", "Sending the order.");
  }

  accept({ orderId, status }) {
    this.#orderId = orderId;
    const waits = status === "waiting" ? "it waits, and is among the open orders" : "the order is stored and will end exactly once";
    this.tell("accepted", `Accepted: ${waits}.`);
  }

  tell(state, text) {
    this.#text.dataset.state = state;
    say(this.#text, text);
  }

  forget() {
    this.#orderId = null;
    this.#again.hidden = true;
    this.tell("none", "");
  }

  // A refusal is about the fields that were sent, and so is the offer to send them again.
  edited() {
    this.#again.hidden = true;
    if (this.#orderId === null && this.#text.dataset.state === "refused") this.forget();
  }

  // How the order goes on; `event` may be of any order. True if it is told here.
  follow({ orderId, status, seq, data }, slippageBps) {
    if (orderId !== this.#orderId) return false;
    if (TERMINAL.has(status)) this.#tellEnd(status, data, slippageBps);
    else if (status === "pending" && data.cause) this.tell("accepted", "It has started: its price or its pool has come.");
    else if (status === "waiting" && seq > 1 && data.reason) this.tell("asking", `It waits again: ${reasonText(data.reason)}.`);
    else return false;
    return true;
  }

  // Another part of the page tells how this order has ended.
  leave(orderId) {
    if (orderId === this.#orderId) this.forget();
  }

  // The events of another order are followed now, so what is told of this one would grow old.
  leaveAllBut(orderId) {
    if (this.#orderId !== null && this.#orderId !== orderId) this.forget();
  }

  #tellEnd(status, data, slippageBps) {
    if (status === "confirmed") {
      const late = data.cancelTooLate ? " The cancel came too late." : "";
      this.tell("accepted", `Confirmed at ${price(data.executedPrice)} USDC, slippage ${slippage(data.slippagePct)}.${late}`);
    } else if (data.reason) {
      this.tell("refused", `${status === "failed" ? "Failed" : "Not filled"}: ${reasonText(data.reason)}.`);
      if (data.reason === "SLIPPAGE_EXCEEDED") this.#offerAgain(slippageBps);
    } else {
      this.tell("refused", status === "canceled" ? "Canceled." : "Its time has passed without a fill.");
    }
  }

  // `given` is the slippage of the ticket's order; null if its type has none.
  #offerAgain(given) {
    if (given === null || !(given < MOST_BPS)) return;
    const more = Math.min(MOST_BPS, Math.max(LEAST_AGAIN_BPS, 2 * given));
    this.#again.dataset.bps = String(more);
    say(this.#again, `Again with more slippage: ${percent(more)}`);
    this.#again.hidden = false;
  }
}
