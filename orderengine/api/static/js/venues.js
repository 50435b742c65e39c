// The style of each venue; one that is not named here comes last, with a line style of its own.

const LINES = { raydium: { border: "solid", dash: [] }, meteora: { border: "dashed", dash: [6, 3] } };
const OTHER = { border: "dotted", dash: [2, 3] };
export const NAMED = Object.keys(LINES);

// All venues of a route, with or without a quote.
export function venuesOf({ quotes, refusals }) {
  return inOrder([...quotes.map(({ dex }) => dex), ...Object.keys(refusals)]);
}

// Each venue once.
function inOrder(names) {
  const rank = (dex) => (NAMED.includes(dex) ? NAMED.indexOf(dex) : NAMED.length);
  return [...new Set(names)].sort((one, other) => rank(one) - rank(other) || one.localeCompare(other));
}

export function dashOf(dex) {
  return (LINES[dex] ?? OTHER).dash;
}

// The venue's color, for rules that use --tone and --stroke; stylesheets need not know the venue.
export function dress(element, dex) {
  element.style.setProperty("--tone", `var(--${dex}, var(--other))`);
  element.style.setProperty("--stroke", (LINES[dex] ?? OTHER).border);
  return element;
}
