// How many dead letters a second are stored durably, and what each costs: `node bench/store.ts [seconds]`.
// The folder is a new one below the current, so that it is on its disk.
import { mkdtempSync, rmSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { createStore } from "../src/store/open-store.ts";
import type { DeadLetter } from "../src/store/records.ts";

const seconds = Number(process.argv[2] ?? 3);
const data = randomBytes(1024);
const headers = ["traceparent", "content-type", "id"].map((name) => ({
  name,
  value: randomBytes(24),
}));

console.log("writers  writes/s  main thread µs/write  all threads µs/write");
for (const writers of [1, 16, 256]) {
  const folder = mkdtempSync("store-bench-");
  const store = createStore({ folder });
  try {
    await store.deadLetters.put(deadLetter(0), "warm");
    let count = 0;
    const began = performance.now();
    const thread = process.threadCpuUsage();
    const all = process.cpuUsage();
    const write = async (): Promise<void> => {
      while (performance.now() - began < seconds * 1000) {
        const number = ++count;
        await store.deadLetters.put(deadLetter(number), `fingerprint of ${number}`);
      }
    };
    await Promise.all(Array.from({ length: writers }, write));
    const took = (performance.now() - began) / 1000;
    const main = total(process.threadCpuUsage(thread)) / count;
    const both = total(process.cpuUsage(all)) / count;
    const row = [writers, Math.round(count / took), main.toFixed(1), both.toFixed(1)];
    console.log(row.map((value, at) => String(value).padStart([7, 10, 22, 22][at] ?? 0)).join(""));
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

function total({ user, system }: NodeJS.CpuUsage): number {
  return user + system;
}

/** 1 KiB of payload and ten attempts, as most have. */
function deadLetter(number: number): DeadLetter {
  const now = Date.now();
  return {
    id: `0190000000000-${String(number).padStart(22, "0")}`,
    component: "orders",
    type: "bindings.kafka",
    cause: "exhausted",
    reason: "the app answered 500: no such customer",
    event: {
      data,
      headers,
      metadata: { topic: "orders", partition: "3" },
      key: "customer 42",
      id: `orders/3/${number}`,
    },
    identity: `orders/3/${number}`,
    attempts: Array.from({ length: 10 }, (_, at) => ({
      at: now + at * 1000,
      took: 12,
      outcome: "refused",
      answer: "500 no such customer",
    })),
    failed: 10,
    receivedAt: now,
    storedAt: now,
    traceId: "0af7651916cd43dd8448eb211c80319c",
    redrives: 0,
    edited: false,
  };
}
