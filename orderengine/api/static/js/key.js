// The key that the service may require: only sent in a header, and only kept in this tab.

const STORED_AS = "orderengine.key";
const FORM = /^oe_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/;

// `state` is open (no key was required so far), asked, given, or refused (the key is not valid any
// more); a "change" event follows each new state.
class Key extends EventTarget {
  #text = read();
  #state = this.#text === null ? "open" : "given";

  get text() {
    return this.#text;
  }

  get state() {
    return this.#state;
  }

  get isLocked() {
    return this.#state === "asked" || this.#state === "refused";
  }

  // The public part of the key, by which an operator revokes it.
  get id() {
    return this.#text?.split("_")[1] ?? null;
  }

  keep(text) {
    write(text);
    this.#become("given", text);
  }

  // A request with this key (null: without one) was refused; a refusal of an older key is ignored.
  refused(text) {
    if (text !== this.#text || this.isLocked) return;
    write(null);
    this.#become(text === null ? "asked" : "refused", null);
  }

  // Reloads the page, so that no data read with the key stays in it.
  forget() {
    write(null);
    location.assign("/");
  }

  #become(state, text) {
    this.#text = text;
    this.#state = state;
    this.dispatchEvent(new Event("change"));
  }
}

export function hasFormOfKey(text) {
  return FORM.test(text);
}

export const key = new Key();

// The back button may restore this page with a key that was forgotten since.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted && read() !== key.text) location.reload();
});

// If the browser forbids storage, a key lasts as long as the page.
function read() {
  try {
    return sessionStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}

function write(text) {
  try {
    if (text === null) sessionStorage.removeItem(STORED_AS);
    else sessionStorage.setItem(STORED_AS, text);
  } catch {
    return; // see above
  }
}
