import { randomBytes } from "node:crypto";
import type { DeadLetter } from "../src/store/records.ts";

const data = randomBytes(1024);
const headers = ["traceparent", "content-type", "id"].map((name) => ({
  name,
  value: randomBytes(24),
}));

/** 1 KiB of payload and ten attempts, as most have. */
export function deadLetter(number: number): DeadLetter {
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
