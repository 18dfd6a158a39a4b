import { BindingError } from "../../errors.ts";
import type { Claim } from "../records.ts";
import type { ClaimStore } from "../store.ts";
import { isGone } from "./messages.ts";
import { Conflict } from "./publishing.ts";
import type { StreamReader } from "./reader.ts";
import type { Subjects } from "./subjects.ts";
import type { StreamWriter } from "./writer.ts";

/** What is kept of a claim before the bytes of its result. */
export type ClaimRecord = {
  readonly scope: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly owner: string;
  readonly done: boolean;
  /** Whether there are bytes behind it. */
  readonly hasResult: boolean;
};

/** How often a claim that others change is read anew. */
const mostTries = 20;

/** What was begun and done under a key: one message each, which goes by itself. Claims are nobody's of a lease. */
export class NatsClaims implements ClaimStore {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #subjects: Subjects;
  readonly #owner: string;

  /** `owner` tells this process's claims from all others. */
  constructor(reader: StreamReader, writer: StreamWriter, subjects: Subjects, owner: string) {
    this.#reader = reader;
    this.#writer = writer;
    this.#subjects = subjects;
    this.#owner = owner;
  }

  async claim(scope: string, key: string, fingerprint: string, expiresIn: number): Promise<Claim> {
    const subject = this.#subjects.claim(scope, key);
    const record = { scope, key, fingerprint, owner: this.#owner, done: false, hasResult: false };
    const body = encodeClaim(record, undefined);
    let expected = 0;
    for (let tries = 1; tries <= mostTries; tries++) {
      try {
        await this.#writer.writeUnfenced(`claim ${scope}`, [
          { subject, body, expected, ttl: expiresIn },
        ]);
        return { state: "claimed" };
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
      const last = await this.#reader.last(subject);
      expected = last?.sequence ?? 0;
      if (last === undefined || isGone(last)) continue;
      const found = await this.#reader.whole(subject);
      if (found === undefined) continue;
      const { record: kept, result } = decodeClaim(found.body);
      if (kept.scope !== scope || kept.key !== key) throw collision(scope);
      if (kept.done) return { state: "done", result, fingerprint: kept.fingerprint };
      const ours = kept.owner === this.#owner;
      return { state: "busy", since: found.message.time, ours, fingerprint: kept.fingerprint };
    }
    throw new BindingError("unavailable", "a claim changes faster than it can be read; try again", {
      effect: "unsent",
    });
  }

  async complete(
    scope: string,
    key: string,
    fingerprint: string,
    result: Uint8Array | undefined,
    expiresIn: number,
  ): Promise<void> {
    const subject = this.#subjects.claim(scope, key);
    const hasResult = result !== undefined;
    const record = { scope, key, fingerprint, owner: this.#owner, done: true, hasResult };
    const body = encodeClaim(record, result);
    await this.#writer.writeUnfenced(`claim ${scope}`, [{ subject, body, ttl: expiresIn }]);
  }

  async renew(
    scope: string,
    key: string,
    fingerprint: string,
    expiresIn: number,
  ): Promise<boolean> {
    const subject = this.#subjects.claim(scope, key);
    const found = await this.#reader.whole(subject);
    const known = found && decodeClaim(found.body).record;
    if (found === undefined || known?.done !== false || known.owner !== this.#owner) return false;
    const body = encodeClaim({ ...known, fingerprint }, undefined);
    const expected = found.message.sequence;
    try {
      await this.#writer.writeUnfenced(`claim ${scope}`, [
        { subject, body, expected, ttl: expiresIn },
      ]);
      return true;
    } catch (error) {
      if (error instanceof Conflict) return false;
      throw error;
    }
  }

  async release(scope: string, key: string): Promise<void> {
    const subject = this.#subjects.claim(scope, key);
    const found = await this.#reader.whole(subject);
    if (found === undefined || decodeClaim(found.body).record.done) return;
    const change = { subject, body: undefined, expected: found.message.sequence };
    await this.#writer.writeUnfenced(`claim ${scope}`, [change]).catch((error: unknown) => {
      // It was completed meanwhile, or has gone.
      if (!(error instanceof Conflict)) throw error;
    });
  }
}

/** The length of the record as JSON, the record, the result. */
export function encodeClaim(record: ClaimRecord, result: Uint8Array | undefined): Uint8Array {
  const json = Buffer.from(JSON.stringify(record));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, ...(result === undefined ? [] : [result])]);
}

export function decodeClaim(body: Uint8Array): {
  readonly record: ClaimRecord;
  readonly result: Uint8Array | undefined;
} {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const end = 4 + bytes.readUInt32BE(0);
  const record = JSON.parse(bytes.toString("utf8", 4, end)) as ClaimRecord;
  return { record, result: record.hasResult ? new Uint8Array(bytes.subarray(end)) : undefined };
}

function collision(scope: string): BindingError {
  return new BindingError("data_loss", `two keys of ${scope} have the same place in the store`);
}
