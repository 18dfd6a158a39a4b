import { BindingError } from "../errors.ts";
import type { BindingErrorOptions, Reason } from "../errors.ts";
import type { MemoryShare } from "../memory/budget.ts";
import { parseAddress } from "./address.ts";
import type { Address } from "./address.ts";
import { HttpClient } from "./client.ts";
import type { Answered } from "./exchange.ts";
import { setHeader, userAgent } from "./headers.ts";
import type { RequestHeaders } from "./headers.ts";
import { authoritiesOf } from "../tls/pem.ts";
import { failureOfStatus, isSuccess, retryAfterOf } from "./status.ts";

export type ServiceOptions = {
  readonly url: string;
  readonly memory: MemoryShare;
  /** Told the secret of a request that was refused: the service may repeat it. */
  readonly hide: ((secret: string) => void) | undefined;
  /** The authorities to trust in place of the system's: PEM, or a file of it. */
  readonly caCert?: string | undefined;
};

export type ServiceRequest = {
  readonly method: string;
  readonly address: Address;
  readonly headers: Readonly<Record<string, string>>;
  /** The host and port to ask for, where the address is another. */
  readonly host?: string | undefined;
  readonly body?: Uint8Array | undefined;
  /** The most bytes of the answer; more is a failure. Default 16 MiB. */
  readonly maxBody?: number;
  /** What of the headers must not be shown: a token, a signature. */
  readonly secret: string;
};

/** Further calls wait, in their order and within their deadlines. */
const mostConnections = 128;
const largestAnswer = 16 * 1024 * 1024;
/** The most characters of a service's message that are told. */
const longestMessage = 4096;
const nowhereElse: ReadonlySet<string> = new Set();

/** One service of a vendor, asked by requests that prove who asks. Nothing is sent to another origin. */
export class ServiceClient implements AsyncDisposable {
  readonly #http: HttpClient;
  readonly #hide: ServiceOptions["hide"];

  private constructor(http: HttpClient, hide: ServiceOptions["hide"]) {
    this.#http = http;
    this.#hide = hide;
  }

  /** Connects to nothing. Throws a `BindingError` for a URL that is none. */
  static async open({ url, memory, hide, caCert }: ServiceOptions): Promise<ServiceClient> {
    parseAddress(url);
    const http = HttpClient.open(await import("undici"), {
      ...{ url, memory, maxConnections: mostConnections, tls: { ca: await authoritiesOf(caCert) } },
    });
    return new ServiceClient(http, hide);
  }

  /** Resolves to the answer, whatever its status. */
  async ask(request: ServiceRequest, signal: AbortSignal): Promise<Answered> {
    const { method, address, host, body, maxBody = largestAnswer, secret } = request;
    const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
    if (host !== undefined) headers.set("host", { name: "Host", value: host });
    for (const [name, value] of Object.entries(request.headers)) setHeader(headers, name, value);
    const wanted = { method, address, headers, body, maxBody, origins: nowhereElse };
    const answered = await this.#http.send(wanted, signal);
    if (!isSuccess(answered.status)) this.#hide?.(secret);
    if (!answered.cut) return answered;
    const text = `the answer is larger than ${maxBody} bytes`;
    throw new BindingError("resource_exhausted", text, { effect: "ambiguous" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

/** What a service's own code says beyond the status. */
export type Meaning = Pick<BindingErrorOptions, "effect" | "retryAfter"> & {
  readonly reason?: Reason | undefined;
  readonly systemCode?: string | undefined;
};

/** A refusal, as the status and the service's own code tell it. */
export function serviceFailure(
  text: string,
  { status, headers }: Pick<Answered, "status" | "headers">,
  meaning: Meaning = {},
): BindingError {
  const { reason, effect } = failureOfStatus(status);
  const retryAfter = meaning.retryAfter ?? retryAfterOf(headers["retry-after"]);
  return new BindingError(meaning.reason ?? reason, text.slice(0, longestMessage).toWellFormed(), {
    effect: meaning.effect ?? effect,
    systemCode: meaning.systemCode ?? String(status),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** The members of a JSON object; none for any other text. */
export function jsonMembers(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    return isObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
