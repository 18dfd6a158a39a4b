import { messageOf } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import { setHeader, type RequestHeaders } from "../../http-client/headers.ts";
import { isSuccess } from "../../http-client/status.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { largestTokenAnswer } from "../../memory/bounded-text.ts";
import type { Token } from "../../oauth/token.ts";
import { noCredentials, textOf } from "./source.ts";

const mostConnections = 4;
/** The longest part of an answer that is told: `invalid_grant: Invalid JWT Signature.` */
const longestError = 300;

export type Question = {
  readonly url: string;
  readonly contentType: "application/json" | "application/x-www-form-urlencoded";
  readonly body: string;
  readonly authorization?: string;
};

/** Asks the servers that give tokens and signatures. No redirect is followed to another server. */
export class Exchange implements AsyncDisposable {
  readonly #memory: MemoryShare;
  #client: HttpClient | undefined;

  constructor(memory: MemoryShare) {
    this.#memory = memory;
  }

  /** Posts, and returns the answer's JSON. Rejects with a `BindingError` `unauthenticated`, `unsent`. */
  async post(question: Question, signal: AbortSignal): Promise<unknown> {
    const { url, contentType, body, authorization } = question;
    const address = parseAddress(url);
    const headers: RequestHeaders = new Map();
    setHeader(headers, "Content-Type", contentType);
    setHeader(headers, "Accept", "application/json");
    if (authorization !== undefined) setHeader(headers, "Authorization", authorization);
    const client = await this.#open(url);
    const request = {
      ...{ method: "POST", address, headers, body: Buffer.from(body) },
      ...{ maxBody: largestTokenAnswer, origins: new Set<string>() },
    };
    const answered = await client.send(request, signal).catch((error: unknown) => {
      throw noCredentials(messageOf(error), error);
    });
    const answer = jsonOf(answered.body.toString("utf8"));
    if (isSuccess(answered.status) && answer !== undefined) return answer;
    const why = answer === undefined ? "without JSON" : errorOf(answer);
    throw noCredentials(`${address.origin} answered HTTP ${answered.status} ${why}`.trimEnd());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
  }

  async #open(url: string): Promise<HttpClient> {
    const undici = await import("undici");
    const options = { url, maxConnections: mostConnections, memory: this.#memory };
    return (this.#client ??= HttpClient.open(undici, options));
  }
}

/** The token of an answer as RFC 6749 has it. Throws a `BindingError`. */
export function tokenOf(answer: unknown, from: string): Token {
  const token = textOf(answer, "access_token");
  if (token === undefined) throw noCredentials(`${from} answered without a token`);
  const seconds = Number(Reflect.get(Object(answer), "expires_in"));
  const lifetime = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
  return { token, receivedAt: Date.now(), lifetime };
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** What an OAuth server, or one of Google's APIs, says is wrong. */
function errorOf(answer: unknown): string {
  const error: unknown = Reflect.get(Object(answer), "error");
  const text =
    typeof error === "string"
      ? [error, textOf(answer, "error_description")].filter(Boolean).join(": ")
      : (textOf(error, "message") ?? "");
  return text.slice(0, longestError);
}
