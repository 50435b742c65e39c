// Asks for the key if the service requires one, and forgets it on request.

import { Locked, Unavailable, tryKey } from "./api.js";
import { find, say } from "./dom.js";
import { hasFormOfKey, key } from "./key.js";

const NO_KEY = "must be a key: oe_, 12 hex digits, _, and 43 letters, digits, - or _";
const OPENS_NOTHING = "is not valid here: it is mistyped or was revoked";
const NO_LONGER = "The key that was used is not valid any more: it was revoked.";

export class Access {
  #panel = find("#access");
  #form = find("#key-form");
  #field = find("#key");
  #rule = find("#key-rule");
  #held = find("#held");
  #trying = null;
  #hasShown = false;

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#try(this.#field.value.trim());
    });
    this.#field.addEventListener("input", () => this.#tell(""));
    find("#forget").addEventListener("click", () => key.forget());
    key.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  // Data that is already shown stays in view when the key is revoked.
  shown() {
    this.#hasShown = true;
  }

  #draw() {
    const hadFocus = this.#panel.contains(document.activeElement);
    this.#panel.hidden = !key.isLocked;
    this.#held.hidden = key.state !== "given";
    find("#metrics-link").hidden = key.state !== "open"; // a link sends no key
    say(find("#held-id"), `oe_${key.id ?? ""}…`);
    const isEmpty = key.isLocked && !this.#hasShown;
    for (const each of document.querySelectorAll(".desk, .skip, .activity")) each.hidden = isEmpty;
    this.#tell(key.state === "refused" ? NO_LONGER : "");
    if (isEmpty) this.#field.focus();
    else if (hadFocus) find("#ticket").focus({ preventScroll: true });
  }

  async #try(text) {
    this.#trying?.abort();
    const trying = (this.#trying = new AbortController());
    if (!hasFormOfKey(text)) return this.#refuse(NO_KEY);
    try {
      await tryKey(text, trying.signal);
      this.#field.value = "";
      key.keep(text);
    } catch (error) {
      if (trying.signal.aborted) return;
      if (error instanceof Locked) this.#refuse(OPENS_NOTHING);
      else if (error instanceof Unavailable) this.#refuse(`could not be tried: ${error.message}; try again`);
      else throw error;
    }
  }

  #refuse(rule) {
    this.#tell(rule);
    this.#field.setAttribute("aria-invalid", "true");
    this.#field.focus();
  }

  #tell(rule) {
    find('[data-field="key"]').dataset.broken = String(rule !== "");
    this.#field.setAttribute("aria-invalid", String(rule !== ""));
    say(this.#rule, rule);
  }
}
