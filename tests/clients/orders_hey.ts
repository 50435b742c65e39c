// Does the same with the client that @hey-api/openapi-ts generates.

import { createClient } from "./generated/hey/client";
import { executeOrder, listEvents } from "./generated/hey/sdk.gen";
import { told } from "./told";

async function main(): Promise<void> {
  const [baseUrl, key] = process.argv.slice(2);
  const client = createClient({ baseUrl, auth: () => key, throwOnError: true });
  const body = { symbol: "AAPL", side: "buy" as const, quantity: "1" };
  const placed = await executeOrder({ client, body, throwOnError: true });
  const path = { order_id: placed.data.orderId };
  for (;;) {
    const { data } = await listEvents({ client, path, throwOnError: true });
    const last = data.events[data.events.length - 1];
    if (last.status === "confirmed" || last.status === "failed") {
      console.log(JSON.stringify({ placed: placed.data, events: data.events.map(told) }));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

void main();
