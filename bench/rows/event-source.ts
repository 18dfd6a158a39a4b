import type { Component } from "../component.ts";
import { pace } from "../measure/pacer.ts";
import { eventPayload } from "../wire/payload.ts";

/** Events on their way in: of one topic, queue or session that is new. */
export type EventSource = AsyncDisposable & {
  readonly component: Component;
  /** What a daemon finds in its environment. Absent: nothing. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What the raw driver connects to, and reads there. */
  readonly address: string;
  readonly source: string;
  /** Sends one event; resolves once the system has confirmed it. */
  send(key: string, payload: Buffer): Promise<void>;
  /** Resolves to how many events the system still holds as not handled, once nothing reads. Absent: it cannot tell. */
  unsettled?(): Promise<number>;
};

/** Which events there are: number i has key i mod `keys`. */
export type EventPlan = { readonly keys: number; readonly first: number; readonly count: number };

const unconfirmed = 2000;

/** Sends the events as fast as they are confirmed. */
export async function fill(source: EventSource, { keys, first, count }: EventPlan): Promise<void> {
  const sending = new Set<Promise<void>>();
  for (let index = first; index < first + count; index++) {
    const sent = source.send(keyOf(index, keys), payloadOf(index, keys, 0));
    sending.add(sent);
    void sent.then(
      () => sending.delete(sent),
      () => {},
    );
    if (sending.size >= unconfirmed) await Promise.race(sending);
  }
  await Promise.all(sending);
}

/** Sends the events at a fixed rate, each with the moment at which it was meant to be sent. */
export async function sendPaced(
  source: EventSource,
  { keys, first, count }: EventPlan,
  perSecond: number,
): Promise<void> {
  const sending: Promise<void>[] = [];
  await pace(perSecond, count, (index, meant) => {
    const event = first + index;
    sending.push(source.send(keyOf(event, keys), payloadOf(event, keys, meant)));
  });
  await Promise.all(sending);
}

function keyOf(index: number, keys: number): string {
  return `key-${index % keys}`;
}

function payloadOf(index: number, keys: number, stamp: number): Buffer {
  return eventPayload(index % keys, Math.floor(index / keys), stamp);
}
