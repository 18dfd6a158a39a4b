import { randomUUID } from "node:crypto";

/** What every produced event carries as its payload. */
export type ProducedEvent = {
  /** Its number among all of the scenario, from 0. */
  readonly number: number;
  readonly key: string;
  /** Its place among those of its key, from 0. */
  readonly sequence: number;
  readonly uuid: string;
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
      sequence: Math.floor(number / keys),
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
