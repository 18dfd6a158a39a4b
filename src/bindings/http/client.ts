import { createSecureContext } from "node:tls";
import type { SecureContextOptions } from "node:tls";
import type { Agent, Dispatcher, ProxyAgent } from "undici";
import { BindingError, messageOf } from "../../errors.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { pemOrFile } from "../../tls/pem.ts";
import { parseAddress, resolveLocation } from "./address.ts";
import type { Address } from "./address.ts";
import { ConnectionSlots } from "./connection-slots.ts";
import { describe, exchange } from "./exchange.ts";
import type { Answered } from "./exchange.ts";
import { toFlatList } from "./headers.ts";
import type { RequestHeaders } from "./headers.ts";
import { proxyFor, readProxyRules } from "./proxy.ts";

type Driver = { readonly Agent: typeof Agent; readonly ProxyAgent: typeof ProxyAgent };

export type ClientOptions = {
  readonly url: string;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The component's own token header, not to be shown to other hosts. */
  readonly tokenHeader: string | undefined;
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
  readonly body: Uint8Array | undefined;
  readonly maxBody: number;
};

const acceptGzip = { name: "Accept-Encoding", value: "gzip" };
const connectTimeout = 15_000;
const mostRedirects = 10;
const secretHeaders = ["authorization", "www-authenticate", "cookie", "cookie2"];
const bodyHeaders = ["content-type", "content-encoding", "content-language", "content-location"];

/** An HTTP client that behaves as Go's towards redirects, proxies and gzip. */
export class HttpClient implements AsyncDisposable {
  readonly #dispatcherOf: (origin: string) => Dispatcher;
  readonly #all: readonly Dispatcher[];
  readonly #secret: readonly string[];
  readonly #slots: ConnectionSlots;
  readonly #memory: MemoryShare;
  /** Where a request without a path goes. */
  readonly home: Address;

  private constructor(
    home: Address,
    direct: Dispatcher,
    proxies: ReadonlyMap<string, Dispatcher>,
    options: ClientOptions,
  ) {
    const rules = readProxyRules(process.env);
    this.home = home;
    this.#memory = options.memory;
    this.#slots = new ConnectionSlots(options.maxConnections);
    this.#all = [direct, ...proxies.values()];
    this.#secret = [
      ...secretHeaders,
      ...(options.tokenHeader ? [options.tokenHeader.toLowerCase()] : []),
    ];
    this.#dispatcherOf =
      proxies.size === 0
        ? () => direct
        : (origin) => proxies.get(proxyFor(origin, rules) ?? "") ?? direct;
  }

  /** Reads certificates and the environment's proxies. Connects to nothing. Throws a `BindingError`. */
  static async open(driver: Driver, options: ClientOptions): Promise<HttpClient> {
    const home = parseAddress(options.url);
    const tls = await readTls(options);
    const shared = {
      // A slow answer is no failure unless responseTimeout says so.
      headersTimeout: 0,
      bodyTimeout: 0,
      pipelining: 1,
      connections: options.maxConnections,
    };
    const connect = { ...tls, timeout: connectTimeout };
    const rules = readProxyRules(process.env);
    const uris = new Set([rules.http, rules.https].filter((uri) => uri !== undefined));
    const proxies = new Map<string, Dispatcher>();
    for (const uri of uris) {
      try {
        proxies.set(
          uri,
          new driver.ProxyAgent({ ...shared, uri, connectTimeout, requestTls: connect }),
        );
      } catch {
        throw new BindingError(
          "invalid_argument",
          "HTTP_PROXY or HTTPS_PROXY in the environment is no URL",
        );
      }
    }
    return new HttpClient(home, new driver.Agent({ ...shared, connect }), proxies, options);
  }

  /** Sends a request, follows redirects, and resolves to the last answer, whatever its status. */
  async send(request: Request, signal: AbortSignal): Promise<Answered> {
    let { method, address, body } = request;
    const { headers } = request;
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
        dispatcher: this.#dispatcherOf(address.origin),
        slots: this.#slots,
        memory: this.#memory,
      };
      const answered = await exchange(channel, wanted, signal);
      const location = redirectOf(answered);
      if (location === undefined) return answered;
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
      if (answered.status < 307) {
        if (method !== "HEAD") method = "GET";
        body = undefined;
        for (const name of bodyHeaders) headers.delete(name);
      }
      if (!isSameSite(request.address.hostname, next.hostname)) {
        for (const name of this.#secret) headers.delete(name);
      }
      if (next.authorization !== undefined && !headers.has("authorization")) {
        headers.set("authorization", { name: "Authorization", value: next.authorization });
      }
      if (!referred) setReferer(headers, address, next);
      address = next;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((dispatcher) => dispatcher.destroy()));
  }
}

function redirectOf({ status, headers }: Answered): string | undefined {
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

function setReferer(headers: RequestHeaders, from: Address, to: Address): void {
  if (from.origin.startsWith("https:") && to.origin.startsWith("http:")) headers.delete("referer");
  else headers.set("referer", { name: "Referer", value: `${from.origin}${from.path}` });
}

/** Whether a host is the first one, or one below it. */
function isSameSite(first: string, host: string): boolean {
  return host === first || (host.endsWith(`.${first}`) && !/[:%]|^[\d.]+$/.test(first));
}

async function readTls(options: ClientOptions): Promise<SecureContextOptions> {
  const both = options.cert && options.key;
  const tls: SecureContextOptions = {
    minVersion: "TLSv1.2",
    ...(options.ca ? { ca: await pemOrFile("MTLSRootCA", options.ca) } : {}),
    ...(both ? { cert: await pemOrFile("MTLSClientCert", options.cert) } : {}),
    ...(both ? { key: await pemOrFile("MTLSClientKey", options.key) } : {}),
  };
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new BindingError(
      "invalid_argument",
      `failed to load client certificate or root certificate: ${messageOf(error)}`,
    );
  }
  if (typeof tls.ca === "string" && !tls.ca.includes("-----BEGIN CERTIFICATE-----")) {
    throw new BindingError(
      "invalid_argument",
      "failed to add root certificate to certpool: it holds none",
    );
  }
  return tls;
}
