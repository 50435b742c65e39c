// How each venue is drawn; one that is not named here comes after those that are, with a line of its own.

const LINES = { raydium: { border: "solid", dash: [] }, meteora: { border: "dashed", dash: [6, 3] } };
const OTHER = { border: "dotted", dash: [2, 3] };
const NAMED = Object.keys(LINES);

// All venues of a route: those that gave a quote, and those that gave none.
export function venuesOf({ quotes, refusals }) {
  return inOrder([...quotes.map(({ dex }) => dex), ...Object.keys(refusals)]);
}

// Each one once.
function inOrder(names) {
  const rank = (dex) => (NAMED.includes(dex) ? NAMED.indexOf(dex) : NAMED.length);
  return [...new Set(names)].sort((one, other) => rank(one) - rank(other) || one.localeCompare(other));
}

export function dashOf(dex) {
  return (LINES[dex] ?? OTHER).dash;
}

// The venue's color, for rules that use --tone and --stroke; the stylesheets may not know of it.
export function dress(element, dex) {
  element.style.setProperty("--tone", `var(--${dex}, var(--other))`);
  element.style.setProperty("--stroke", (LINES[dex] ?? OTHER).border);
  return element;
}
