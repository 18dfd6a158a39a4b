import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { RequestHead } from "../../grpc/request-head.ts";

/** What a token lets its holder do: everything, or look. */
export type AccessKind = "full" | "read-only";

export type ConsoleTokens = {
  /** Lets its holder do everything. */
  readonly full: string;
  /** Lets its holder look. Absent: there is none. */
  readonly readOnly?: string | undefined;
};

/** A token that nobody can guess. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** Fewer characters could be guessed. */
export const shortestToken = 16;

/** So many wrong tokens may come at once, and one more each second. */
const mostWrong = 10;

/** What came of a look at a request's token. `too many`: it is wrong, and so were many before. */
export type Verdict = AccessKind | "missing" | "wrong" | "too many";

/**
 * Knows who may use the console. Tokens are compared in constant time. Of those that are wrong few are answered as such a
 * second; a right one always passes, so that nobody is kept out by others.
 */
export class ConsoleAccess {
  readonly #full: Buffer;
  readonly #readOnly: Buffer | undefined;
  #left = mostWrong;
  #countedAt = performance.now();

  constructor({ full, readOnly }: ConsoleTokens) {
    this.#full = digest(full);
    this.#readOnly = readOnly === undefined ? undefined : digest(readOnly);
  }

  /** Looks at the header `authorization: Bearer TOKEN`. */
  judge(request: Pick<RequestHead, "get">): Verdict {
    const given = /^Bearer +(\S+)$/i.exec(request.get("authorization") ?? "")?.[1];
    if (given === undefined) return "missing";
    const token = digest(given);
    // Both are compared, whichever it is.
    const isFull = timingSafeEqual(token, this.#full);
    const isReadOnly = timingSafeEqual(token, this.#readOnly ?? nobodys);
    if (isFull) return "full";
    if (isReadOnly && this.#readOnly !== undefined) return "read-only";
    return this.#count() ? "wrong" : "too many";
  }

  #count(): boolean {
    const now = performance.now();
    this.#left = Math.min(mostWrong, this.#left + (now - this.#countedAt) / 1000);
    this.#countedAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

const nobodys = randomBytes(32);

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
