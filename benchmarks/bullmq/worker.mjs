// A queue and a worker for each hop; a hop writes, publishes and queues the next one:
// node worker.mjs CONCURRENCY

import { Queue, Worker } from "bullmq";
import { connectPostgres, connectRedis, hops } from "./settings.mjs";

const concurrency = Number(process.argv[2]);
const connection = connectRedis();
const publisher = connectRedis();
const database = connectPostgres(concurrency);

function run(hop, next) {
  return async ({ data: { orderId, version } }) => {
    const { rows } = await database.query({
      name: hop.queue,
      text: hop.statement,
      values: [orderId, version, ...hop.values],
    });
    if (rows.length !== 1) throw new Error(`${hop.queue}: order ${orderId} has moved on`);
    const { seq, status, attempt, occurred_at: at } = rows[0];
    const event = { orderId, seq, status, attempt, at, data: hop.data, clientId: "local" };
    await publisher.publish("bullmq:events", JSON.stringify(event));
    await next?.add(next.name, { orderId, version: seq }, { removeOnComplete: true });
  };
}

const workers = hops.map((hop, index) => {
  const following = hops[index + 1];
  const next = following && new Queue(following.queue, { connection });
  return new Worker(hop.queue, run(hop, next), { connection, concurrency });
});

for (const worker of workers) {
  for (const event of ["failed", "error"]) {
    worker.on(event, (...told) => {
      console.error(event, ...told);
      process.exit(1);
    });
  }
}
