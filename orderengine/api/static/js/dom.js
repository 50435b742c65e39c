// Builds elements: text goes in as text, so no answer of the API can become markup.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function find(selector, within = document) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

// Writes only a new text: a screen reader would repeat the same one.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null));
}

// Redraws an element that may hold the focus: the button of the same name gets it back.
export function refill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const named = () => [...element.querySelectorAll("button")].filter((each) => each.ariaLabel === focused?.ariaLabel);
  const index = named().indexOf(focused);
  fill(element, ...children);
  named()[index]?.focus({ preventScroll: true });
}

export function copyButton(text, label) {
  if (!navigator.clipboard) return null; // only in a secure context
  const button = el("button", { type: "button", class: "copy", "aria-label": label, title: label }, "copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(button, "copied");
    } catch {
      say(button, "not allowed");
    }
    setTimeout(() => say(button, "copy"), 1500);
  });
  return button;
}
