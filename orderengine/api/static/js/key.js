// The key that the service may ask for: in a header and in this tab, and nowhere else.

const STORED_AS = "orderengine.key";
const FORM = /^oe_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/;

// `state` is open (nobody has asked for a key), asked, given, or refused (it opens nothing any
// more); "change" tells of each new one.
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

  // The part of it that is no secret, and by which an operator revokes it.
  get id() {
    return this.#text?.split("_")[1] ?? null;
  }

  keep(text) {
    write(text);
    this.#become("given", text);
  }

  // What was asked with this text (null: without a key) was refused; an older key says nothing.
  refused(text) {
    if (text !== this.#text || this.isLocked) return;
    write(null);
    this.#become(text === null ? "asked" : "refused", null);
  }

  // The page begins anew, so that nothing of what the key has shown stays in it.
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

// The back button may bring this page back as it was left, with a key that was forgotten since.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted && read() !== key.text) location.reload();
});

// Where the browser lets the page store nothing, a key lasts as long as the page.
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
