import type { Readable } from "node:stream";
import { BindingError, messageOf } from "../errors.ts";
import type { MemoryShare } from "../memory/budget.ts";
import { parseAddress, resolveLocation } from "./address.ts";
import type { Address } from "./address.ts";
import { ConnectionSlots } from "./connection-slots.ts";
import { Dispatchers } from "./dispatchers.ts";
import type { DispatcherOptions, Driver } from "./dispatchers.ts";
import { describe, exchange } from "./exchange.ts";
import type { Answered, Channel, Exchange } from "./exchange.ts";
import { toFlatList } from "./headers.ts";
import type { RequestHeaders } from "./headers.ts";
import { openExchange } from "./streamed.ts";
import type { Streamed } from "./streamed.ts";

export type ClientOptions = {
  readonly url: string;
  readonly tls?: DispatcherOptions["tls"];
  /** Headers of the component's own, beside `Authorization` and cookies, that are not to be shown to other hosts. */
  readonly secretHeaders?: readonly string[];
  /** To each origin. */
  readonly maxConnections: number;
  /** What answers are gathered in. */
  readonly memory: MemoryShare;
};

/** A request and all the redirects that follow from it. */
export type Request = {
  readonly method: string;
  readonly address: Address;
  /** Of this request alone: they change with each redirect. */
  readonly headers: RequestHeaders;
  /** A stream is sent in chunks; a redirect that would send it again is a failure. */
  readonly body: Uint8Array | Readable | undefined;
  readonly maxBody: number;
  /** Of `headers`, in lower case: those that other hosts are not shown either. */
  readonly secretHeaders?: readonly string[];
  /**
   * The origins that redirects may lead to beside the first; none of them is shown what is secret. Absent: any, as
   * Go's client does, which shows it to hosts below the first one, too.
   */
  readonly origins?: ReadonlySet<string>;
};

const acceptGzip = { name: "Accept-Encoding", value: "gzip" };
const mostRedirects = 10;
const secretHeaders = ["authorization", "www-authenticate", "cookie", "cookie2"];
const bodyHeaders = ["content-type", "content-encoding", "content-language", "content-location"];

/** An HTTP client that behaves as Go's towards redirects, proxies and gzip. */
export class HttpClient implements AsyncDisposable {
  readonly #dispatchers: Dispatchers;
  readonly #secret: readonly string[];
  readonly #slots: ConnectionSlots;
  readonly #memory: MemoryShare;
  /** Where a request without a path goes. */
  readonly home: Address;

  private constructor(home: Address, dispatchers: Dispatchers, options: ClientOptions) {
    this.home = home;
    this.#memory = options.memory;
    this.#slots = new ConnectionSlots(options.maxConnections);
    this.#dispatchers = dispatchers;
    const own = (options.secretHeaders ?? []).map((name) => name.toLowerCase());
    this.#secret = [...secretHeaders, ...own];
  }

  /** Reads the environment's proxies. Connects to nothing. Throws a `BindingError`. */
  static open(driver: Driver, options: ClientOptions): HttpClient {
    const { url, tls, maxConnections } = options;
    const home = parseAddress(url);
    const dispatchers = new Dispatchers(driver, { tls, connections: maxConnections });
    return new HttpClient(home, dispatchers, options);
  }

  /** Sends a request, follows redirects, and resolves to the last answer, whatever its status. */
  async send(request: Request, signal: AbortSignal): Promise<Answered> {
    return this.#follow(request, (channel, wanted) => exchange(channel, wanted, signal));
  }

  /** As {@link HttpClient.send}, with an answer whose body is read as it comes. */
  async stream(request: Request, signal: AbortSignal): Promise<Streamed> {
    return this.#follow(request, (channel, wanted) => openExchange(channel, wanted, signal));
  }

  async #follow<
    Answer extends Pick<Answered, "status" | "headers"> & Pick<Partial<Streamed>, "discard">,
  >(
    request: Request,
    exchange: (channel: Channel, wanted: Exchange) => Promise<Answer>,
  ): Promise<Answer> {
    let { method, address, body } = request;
    const { headers, origins } = request;
    const gunzip = !headers.has("accept-encoding") && !headers.has("range") && method !== "HEAD";
    if (gunzip) headers.set("accept-encoding", acceptGzip);
    const referred = headers.has("referer");
    for (let redirects = 0; ; redirects++) {
      const wanted = {
        method,
        address,
        headers: toFlatList(headers),
        body,
        gunzip,
        maxBody: request.maxBody,
      };
      const channel = {
        dispatcher: this.#dispatchers.of(address.origin),
        slots: this.#slots,
        memory: this.#memory,
      };
      const answered = await exchange(channel, wanted);
      const location = redirectOf(answered);
      if (location === undefined) return answered;
      answered.discard?.();
      if (redirects === mostRedirects) {
        throw new BindingError(
          "failed_precondition",
          `${describe(wanted)}: stopped after 10 redirects`,
          {
            effect: "ambiguous",
            systemCode: String(answered.status),
          },
        );
      }
      const next = resolveRedirect(address, location, describe(wanted));
      if (origins !== undefined) checkOrigin(request.address, next, origins, describe(wanted));
      if (answered.status >= 307 && body !== undefined && !(body instanceof Uint8Array))
        throw new BindingError(
          "failed_precondition",
          `${describe(wanted)}: a redirect asks for the payload again, which was sent as it came`,
          { systemCode: String(answered.status) },
        );
      if (answered.status < 307) {
        if (method !== "HEAD") method = "GET";
        body = undefined;
        for (const name of bodyHeaders) headers.delete(name);
      }
      const isTrusted =
        origins === undefined
          ? isSameSite(request.address.hostname, next.hostname)
          : next.origin === request.address.origin;
      if (!isTrusted) {
        for (const name of this.#secret) headers.delete(name);
        for (const name of request.secretHeaders ?? []) headers.delete(name);
      }
      const mayName = origins === undefined || isTrusted;
      if (mayName && next.authorization !== undefined && !headers.has("authorization")) {
        headers.set("authorization", { name: "Authorization", value: next.authorization });
      }
      if (!referred && origins === undefined) setReferer(headers, address, next);
      address = next;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatchers.destroy();
  }
}

function redirectOf({ status, headers }: Pick<Answered, "status" | "headers">): string | undefined {
  const redirects = status === 307 || status === 308 || (status >= 301 && status <= 303);
  const location = redirects ? headers.location : undefined;
  return location === "" ? undefined : location;
}

function resolveRedirect(from: Address, location: string, what: string): Address {
  try {
    // Bytes that are no ASCII come as one character each.
    return resolveLocation(from, Buffer.from(location, "latin1").toString("utf8"));
  } catch (error) {
    throw new BindingError(
      "failed_precondition",
      `${what}: a redirect leads nowhere: ${messageOf(error)}`,
      {
        effect: "ambiguous",
      },
    );
  }
}

/** Throws a `BindingError` where a server leads to an origin that is not the first and was not named. */
export function checkOrigin(
  first: Address,
  next: Address,
  origins: ReadonlySet<string>,
  what: string,
): void {
  if (next.origin === first.origin || origins.has(next.origin)) return;
  throw new BindingError(
    "failed_precondition",
    `${what}: the server leads to another origin, ${next.origin}; it is asked only if allowOrigins names it`,
  );
}

function setReferer(headers: RequestHeaders, from: Address, to: Address): void {
  if (from.origin.startsWith("https:") && to.origin.startsWith("http:")) headers.delete("referer");
  else headers.set("referer", { name: "Referer", value: `${from.origin}${from.path}` });
}

/** Whether a host is the first one, or one below it. */
function isSameSite(first: string, host: string): boolean {
  return host === first || (host.endsWith(`.${first}`) && !/[:%]|^[\d.]+$/.test(first));
}
