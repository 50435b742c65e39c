// Asks a second time before an order above a size in USDC that the user sets.

import { el, fill, find, say } from "./dom.js";
import { isAmount } from "./estimate.js";
import { usdc } from "./format.js";

const STORED_AS = "orderengine.askAbove";
const RULE = "must be a plain decimal such as 1000, or empty";

export class Confirmation {
  #dialog = find("#confirm");
  #yes = find("#confirm-yes");
  #threshold = find("#threshold");
  #settle = null;

  constructor() {
    this.#threshold.value = read();
    this.#threshold.addEventListener("input", () => this.#keep());
    this.#yes.addEventListener("click", () => this.#dialog.close("yes"));
    find("#confirm-no").addEventListener("click", () => this.#dialog.close("no"));
    this.#dialog.addEventListener("close", () => this.#settle?.(this.#dialog.returnValue === "yes"));
  }

  // Whether an order of this size may be sent; a size that is not known (null) is asked about, too.
  async allows(sizeUsdc, title, action, lines) {
    const most = this.#threshold.value.trim();
    if (!isAmount(most) || (sizeUsdc !== null && sizeUsdc <= Number(most))) return true;
    const why = sizeUsdc === null ? "Its size in USDC is not known." : `It is above ${usdc(most)} USDC.`;
    return this.asks(title, action, [...lines, why]);
  }

  asks(title, action, lines) {
    say(find("#confirm-title"), title);
    say(this.#yes, action);
    fill(find("#confirm-text"), lines.map((line) => el("p", {}, line)));
    this.#dialog.returnValue = "no"; // what the Escape key means
    this.#dialog.showModal();
    find("#confirm-no").focus();
    return new Promise((resolve) => (this.#settle = resolve));
  }

  #keep() {
    const text = this.#threshold.value.trim();
    const isBroken = text !== "" && !isAmount(text);
    find('[data-field="threshold"]').dataset.broken = String(isBroken);
    this.#threshold.setAttribute("aria-invalid", String(isBroken));
    say(find("#threshold-rule"), isBroken ? RULE : "");
    if (!isBroken) write(text);
  }
}

// If the browser forbids storage, the size lasts as long as the page.
function read() {
  try {
    return localStorage.getItem(STORED_AS) ?? "";
  } catch {
    return "";
  }
}

function write(text) {
  try {
    localStorage.setItem(STORED_AS, text);
  } catch {
    return; // see above
  }
}
