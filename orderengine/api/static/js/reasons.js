// Why orders fail, in words. `domain/errors.py` has the reasons; a test compares.

const REASONS = {
  NO_QUOTE: "no venue gave a price",
  QUOTE_EXPIRED: "the price was too old before the order was signed",
  SLIPPAGE_EXCEEDED: "the price moved further than the slippage allows",
  EXPIRED: "the network did not take the transaction in time",
  CHAIN_ERROR: "the network could not execute the transaction",
  NETWORK_UNAVAILABLE: "the network could not be reached",
  PRICE_LIMIT: "the price was beyond the order's own limit",
  NOTIONAL_LIMIT: "the order is worth more than is allowed",
  INSUFFICIENT_LIQUIDITY: "the pools are too small for the order",
  NOT_OPEN: "no pool trades this symbol yet",
  INSTRUMENT_CHANGED: "the symbol's token is not the one of the time when the order was placed",
  UNKNOWN_SYMBOL: "the symbol is not traded any more",
  ENGINE_ERROR: "the service could not go on with the order",
  NOT_FILLED: "the order had one try, and its price was not there",
};

// One that only a later release knows is told by its name.
export function reasonText(reason) {
  return REASONS[reason] ?? nameOf(reason);
}

// In two or three words, for a table.
export function nameOf(reason) {
  return reason.toLowerCase().replaceAll("_", " ");
}

export function sentence(text) {
  return text[0].toUpperCase() + text.slice(1);
}
