import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Claim } from "../records.ts";

type Row = {
  fingerprint: string;
  owner: string;
  since: number;
  done: number;
  result: Uint8Array | null;
};

/** What was begun and done under a key. */
export class ClaimTable {
  readonly #owner: string;
  readonly #find: StatementSync;
  readonly #set: StatementSync;
  readonly #release: StatementSync;
  readonly #expire: StatementSync;

  /** `owner` tells this process's claims from those of an earlier one. */
  constructor(database: DatabaseSync, owner: string) {
    this.#owner = owner;
    this.#find = database.prepare(
      `SELECT fingerprint, owner, since, done, result FROM claims
       WHERE scope = ? AND key = ? AND expires_at > ?`,
    );
    this.#set = database.prepare(
      `INSERT OR REPLACE INTO claims (scope, key, fingerprint, owner, since, expires_at, done, result)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#release = database.prepare("DELETE FROM claims WHERE scope = ? AND key = ? AND done = 0");
    this.#expire = database.prepare("DELETE FROM claims WHERE expires_at <= ?");
  }

  claim(scope: string, key: string, fingerprint: string, expiresIn: number): Claim {
    const now = Date.now();
    const row = this.#find.get(scope, key, now) as Row | undefined;
    if (row === undefined) {
      this.#set.run(scope, key, fingerprint, this.#owner, now, now + expiresIn, 0, null);
      return { state: "claimed" };
    }
    if (row.done !== 0) {
      return { state: "done", result: row.result ?? undefined, fingerprint: row.fingerprint };
    }
    const ours = row.owner === this.#owner;
    return { state: "busy", since: row.since, ours, fingerprint: row.fingerprint };
  }

  /** Holds whatever became of the claim meanwhile: it was done. */
  complete(
    scope: string,
    key: string,
    fingerprint: string,
    result: Uint8Array | undefined,
    expiresIn: number,
  ): void {
    const now = Date.now();
    const until = now + expiresIn;
    this.#set.run(scope, key, fingerprint, this.#owner, now, until, 1, result ?? null);
  }

  release(scope: string, key: string): void {
    this.#release.run(scope, key);
  }

  expire(now: number): void {
    this.#expire.run(now);
  }
}
