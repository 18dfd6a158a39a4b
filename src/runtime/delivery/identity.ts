import { createHash, type Hash } from "node:crypto";
import type { InboundEvent } from "../../binding.ts";
import { timeOrderedUuid } from "../uuid.ts";

/** What an event is recognised by when its source delivers it again. */
export type Identity = {
  /** The source's own, or for an event without one a digest of it and a mark that sets it apart from its equals. */
  readonly identity: string;
  /** A digest of the event: sources may use an id anew. */
  readonly fingerprint: string;
};

type Recognisable = Pick<InboundEvent, "id" | "key" | "headers" | "data">;

/** Headers by which brokers count how often they deliver: other ones each time. */
const counting = /^x-(delivery-count|acquired-count|death|first-death-.*|last-death-.*)$/i;

/**
 * A digest of an event's key and payload; of one that its source gives no identity, of its headers too. Beside an
 * identity they tell nothing, and may be others each time: the date, signature or trace of a request that is repeated.
 */
export function fingerprintOf({ id, key, headers, data }: Recognisable): string {
  const hash = createHash("sha256");
  addPart(hash, typeof key === "string" ? Buffer.from(key) : key);
  for (const { name, value } of id === undefined ? headers : []) {
    if (counting.test(name)) continue;
    addPart(hash, Buffer.from(name));
    addPart(hash, value);
  }
  addPart(hash, undefined);
  addPart(hash, data);
  return hash.digest("base64url");
}

/** A new event's identity. */
export function identityOf(event: Recognisable): Identity {
  const fingerprint = fingerprintOf(event);
  // Two events without an id may be equal and are still two: one must not take the other's place.
  const identity = event.id ?? `${fingerprint}/${timeOrderedUuid()}`;
  return { identity, fingerprint };
}

/** By its length, so that parts cannot run into each other; what is absent differs from what is empty. */
function addPart(hash: Hash, part: Uint8Array | undefined): void {
  const length = Buffer.alloc(8);
  length.writeDoubleBE(part === undefined ? -1 : part.length);
  hash.update(length);
  if (part !== undefined) hash.update(part);
}
