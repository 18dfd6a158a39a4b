import { randomUUID } from "node:crypto";
import type { AttemptCount, DeadLetter } from "../../src/store/records.ts";

let number = 0;

/** An id that sorts behind those before it, as a UUID of version 7 does. */
export function deadLetterId(): string {
  return `${String(++number).padStart(12, "0")}-${randomUUID()}`;
}

export type DeadLetterParts = Partial<Omit<DeadLetter, "event">> & {
  event?: Partial<DeadLetter["event"]>;
};

/** A dead letter with nothing remarkable but what is said. */
export function deadLetter(parts: DeadLetterParts = {}): DeadLetter {
  const id = parts.id ?? deadLetterId();
  return {
    id,
    component: "orders",
    type: "bindings.kafka",
    cause: "exhausted",
    reason: "the app answered 500",
    identity: `identity of ${id}`,
    attempts: [{ at: 1000, took: 5, outcome: "refused", answer: "500" }],
    failed: 1,
    receivedAt: 1000,
    storedAt: Date.now(),
    traceId: "",
    redrives: 0,
    edited: false,
    ...parts,
    event: {
      data: Buffer.from("hello"),
      headers: [],
      metadata: {},
      key: undefined,
      id: undefined,
      ...parts.event,
    },
  };
}

export function attempt(parts: Partial<AttemptCount> = {}): AttemptCount {
  return {
    identity: "an identity",
    fingerprint: "a fingerprint",
    begun: 2,
    lastError: "the app answered 500",
    deadLettered: false,
    ...parts,
  };
}
