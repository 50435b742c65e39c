// What both programs share: the statements and values, which Python writes, and the connections.

import { readFile } from "node:fs/promises";
import { Redis } from "ioredis";
import pg from "pg";

export const { accept, sample, hops } = JSON.parse(
  await readFile(new URL("hops.json", import.meta.url), "utf8"),
);

export const connectRedis = () =>
  new Redis(process.env.BULLMQ_REDIS_URL, { maxRetriesPerRequest: null });

export const connectPostgres = (max) =>
  new pg.Pool({ connectionString: process.env.BULLMQ_DATABASE_URL, max });
