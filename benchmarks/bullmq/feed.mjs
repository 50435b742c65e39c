// Store so many orders and queue them for the first hop: node feed.mjs COUNT

import { Queue } from "bullmq";
import { accept, connectPostgres, connectRedis, hops, sample } from "./settings.mjs";

const connection = connectRedis();
const database = connectPostgres(1);
const queue = new Queue(hops[0].queue, { connection });

const { rows } = await database.query(accept, [sample, Number(process.argv[2])]);
await queue.addBulk(
  rows.map(({ id }) => ({
    name: hops[0].queue,
    data: { orderId: id, version: 1 },
    opts: { removeOnComplete: true },
  })),
);

await queue.close();
await database.end();
await connection.quit();
