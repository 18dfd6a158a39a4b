import { BindingError } from "../../src/errors.ts";
import type { Claim } from "../../src/store/records.ts";
import type { ClaimStore } from "../../src/store/store.ts";

type Kept = {
  fingerprint: string;
  since: number;
  until: number;
  done: boolean;
  result: Uint8Array | undefined;
  process: number;
};

/** Claims in memory, by the contract of the store; a restart is a number that rises. */
export class FakeClaims implements ClaimStore {
  readonly kept = new Map<string, Kept>();
  process = 1;
  /** Of the methods with these names each call fails. */
  readonly broken = new Set<"claim" | "complete" | "release">();

  async claim(scope: string, key: string, fingerprint: string, expiresIn: number): Promise<Claim> {
    this.#fail("claim");
    const id = `${scope} ${key}`;
    const now = Date.now();
    const one = this.kept.get(id);
    if (one === undefined || one.until <= now) {
      const { process } = this;
      const fresh = { done: false, result: undefined, process };
      this.kept.set(id, { fingerprint, since: now, until: now + expiresIn, ...fresh });
      return { state: "claimed" };
    }
    const { since, result } = one;
    if (one.done) return { state: "done", result, fingerprint: one.fingerprint };
    const ours = one.process === this.process;
    return { state: "busy", since, ours, fingerprint: one.fingerprint };
  }

  async complete(
    scope: string,
    key: string,
    fingerprint: string,
    result: Uint8Array | undefined,
    expiresIn: number,
  ): Promise<void> {
    this.#fail("complete");
    const one = this.kept.get(`${scope} ${key}`);
    if (one === undefined) throw new Error("nothing was claimed");
    Object.assign(one, { fingerprint, done: true, result, until: Date.now() + expiresIn });
  }

  async release(scope: string, key: string): Promise<void> {
    this.#fail("release");
    this.kept.delete(`${scope} ${key}`);
  }

  #fail(method: "claim" | "complete" | "release"): void {
    if (this.broken.has(method)) throw new BindingError("unavailable", "the disk is full");
  }
}
