// Shows broken rules beside the fields of a form.

import { find, say } from "./dom.js";

// Shows each broken rule of these fields, and no other; returns those that have no visible field.
export function showViolations(form, violations, fields) {
  const elsewhere = violations.filter(({ field }) => !form.querySelector(`[data-field="${CSS.escape(field)}"]`)?.checkVisibility());
  for (const field of fields) {
    const broken = violations.filter((each) => each.field === field);
    const element = find(`[data-field="${field}"]`, form);
    element.dataset.broken = String(broken.length > 0);
    say(find(".rule", element), broken.map(({ message }) => message).join("; "));
    for (const input of element.querySelectorAll("[aria-describedby]")) {
      input.setAttribute("aria-invalid", String(broken.length > 0));
    }
  }
  return elsewhere.map(({ field, message }) => `${field} ${message}`).join("; ");
}
