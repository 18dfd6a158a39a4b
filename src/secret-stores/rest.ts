import type { SecureContextOptions } from "node:tls";
import { BindingError } from "../errors.ts";
import { parseAddress } from "../http-client/address.ts";
import { HttpClient } from "../http-client/client.ts";
import { setHeader, userAgent } from "../http-client/headers.ts";
import type { RequestHeaders } from "../http-client/headers.ts";
import { failureOfStatus, retryAfterOf } from "../http-client/status.ts";
import type { MemoryShare } from "../memory/budget.ts";

/** TLS as node takes it: whom to trust, what to show, and which name to expect. */
export type RestTls = SecureContextOptions & {
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
};

export type RestRequest = {
  readonly method?: "GET" | "POST";
  /** Percent-encoded, with its query, behind the service's URL. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: object;
  readonly signal: AbortSignal;
};

export type RestAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The JSON value; `undefined`: it is none. Numbers keep their digits where they are written again. */
  readonly json: unknown;
};

/** No answer with secrets is larger, in bytes. */
const largestAnswer = 4 * 1024 * 1024;
const mostConnections = 64;
const longestMessage = 1024;

/** A service that is asked by HTTP and answers JSON. It repeats nothing. */
export class RestClient implements AsyncDisposable {
  readonly #http: HttpClient;
  readonly #url: string;

  private constructor(http: HttpClient, url: string) {
    this.#http = http;
    this.#url = url;
  }

  /** Connects to nothing. Throws a `BindingError` for what is no URL. */
  static async open(url: string, memory: MemoryShare, tls: RestTls = {}): Promise<RestClient> {
    if (/[?#]/.test(url))
      throw new BindingError("invalid_argument", "the URL must have no query and no fragment");
    const options = { url, memory, tls, maxConnections: mostConnections };
    const http = HttpClient.open(await import("undici"), options);
    return new RestClient(http, url.replace(/\/+$/, ""));
  }

  async ask({
    method = "GET",
    path,
    headers = {},
    body,
    signal,
  }: RestRequest): Promise<RestAnswer> {
    const wanted: RequestHeaders = new Map([["user-agent", userAgent]]);
    setHeader(wanted, "accept", "application/json");
    if (body !== undefined) setHeader(wanted, "content-type", "application/json");
    for (const [name, value] of Object.entries(headers)) setHeader(wanted, name, value);
    const address = parseAddress(this.#url + path);
    const answered = await this.#http.send(
      {
        ...{ method, address, headers: wanted, maxBody: largestAnswer },
        secretHeaders: Object.keys(headers).map((name) => name.toLowerCase()),
        body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
      },
      signal,
    );
    const { status, cut } = answered;
    if (cut) throw new BindingError("resource_exhausted", "the answer is larger than 4 MiB");
    return { status, headers: answered.headers, json: jsonOf(answered.body) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"), keepNumbers);
  } catch {
    return undefined;
  }
}

/** The digits of a number that JavaScript would change. */
class WrittenNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): unknown {
    return json.rawJSON(this.text);
  }
}

/** With what the types of the language do not know yet. */
const json = JSON as unknown as { rawJSON(text: string): unknown };

function keepNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number") return value;
  const source = context?.source;
  return source === undefined || String(value) === source ? value : new WrittenNumber(source);
}

/** A value of an answer as the text of a secret: a text as it is, anything else as JSON. */
export function textOfJson(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/** A member of a JSON object; `undefined`: there is none, or it is no object. */
export function member(value: unknown, ...names: readonly string[]): unknown {
  let found = value;
  for (const name of names) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, name))
      return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

/** What a service has answered in place of 2xx. `said`: its own words, without values. */
export function restFailure(what: string, answer: RestAnswer, said: string): BindingError {
  const { status, headers } = answer;
  const { reason, effect } = failureOfStatus(status);
  const words = said === "" ? "" : `: ${said.slice(0, longestMessage).toWellFormed()}`;
  const retryAfter = retryAfterOf(headers["retry-after"]);
  return new BindingError(reason, `${what} answered ${status}${words}`, {
    ...{ effect, systemCode: String(status) },
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** A path of segments, each percent-encoded. Throws a `BindingError` for `.` and `..`, which mean another path. */
export function encodePath(path: string): string {
  return path
    .split("/")
    .filter((segment) => segment !== "")
    .map((segment) => {
      if (segment !== "." && segment !== "..") return encodeURIComponent(segment.toWellFormed());
      const text = `the path ${JSON.stringify(path)} must not have "." or ".." as a part`;
      throw new BindingError("invalid_argument", text);
    })
    .join("/");
}
