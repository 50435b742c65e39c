// Each kind of event has its own data, which TypeScript infers from the status alone.

import type { components } from "./generated/schema";

export function told(event: components["schemas"]["Event"]): unknown[] {
  const common = [event.orderId, event.seq, event.attempt, event.at, event.status];
  switch (event.status) {
    case "waiting":
      return [...common, event.data.type, event.data.limitPrice ?? event.data.stopPrice, event.data.trigger?.minLiquidity];
    case "pending":
      return [...common, event.data.symbol, event.data.side, event.data.quantity];
    case "routing":
      return [...common, event.data.cause];
    case "building":
      return [...common, event.data.dex, event.data.quotedPrice, event.data.quotes.map(({ price }) => price)];
    case "submitted":
      return [...common, event.data.txHash, event.data.lastValidHeight];
    case "confirmed":
      return [...common, event.data.dex, event.data.executedPrice, event.data.slippagePct, event.data.txHash];
    case "failed":
      return [...common, event.data.reason, event.data.detail];
    case "canceled":
      return [...common, event.data.detail];
    case "expired":
      return [...common, event.data.reason, event.data.because, event.data.detail];
  }
}
