// Places and follows an order with openapi-fetch; tsc checks each field that it reads.

import createClient from "openapi-fetch";
import type { components, paths } from "./generated/schema";
import { told } from "./told";

async function main(): Promise<void> {
  const [baseUrl, key] = process.argv.slice(2);
  const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
  const body: components["schemas"]["OrderRequest"] = { symbol: "AAPL", side: "buy", quantity: 1 };
  const placed = await client.POST("/api/orders/execute", { body });
  if (!placed.data) throw new Error(placed.error.detail);
  const path = { params: { path: { order_id: placed.data.orderId } } };
  for (;;) {
    const { data, error } = await client.GET("/api/orders/{order_id}/events", path);
    if (!data) throw new Error(error.detail);
    const last = data.events[data.events.length - 1];
    if (last.status === "confirmed" || last.status === "failed") {
      console.log(JSON.stringify({ placed: placed.data, events: data.events.map(told) }));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

void main();
