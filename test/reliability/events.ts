import { randomUUID } from "node:crypto";
import type { OracleEvent } from "../faults/oracle.ts";

/** What every produced event carries as its payload. */
export type ProducedEvent = OracleEvent & {
  /** Its number among all of the scenario, from 0. */
  readonly number: number;
  /** When it was about to be sent, in milliseconds since 1970. */
  readonly sent: number;
};

/** Makes the events of a scenario, one after another, over this many keys in turn. */
export function eventMaker(keys: number): () => ProducedEvent {
  let number = 0;
  return () => {
    const event = {
      number,
      key: `key-${number % keys}`,
      sequence: Math.floor(number / keys) + 1,
      uuid: randomUUID(),
      sent: Date.now(),
    };
    number++;
    return event;
  };
}

export function readEvent(payload: Uint8Array): ProducedEvent {
  return JSON.parse(Buffer.from(payload).toString()) as ProducedEvent;
}
