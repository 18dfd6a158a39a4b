import type { SecureContextOptions } from "node:tls";
import type { Agent, buildConnector, Dispatcher, ProxyAgent } from "undici";
import { BindingError } from "../errors.ts";
import { proxyFor, readProxyRules } from "../proxy/rules.ts";
import { openTunnel } from "../proxy/tunnel.ts";

export type Driver = {
  readonly Agent: typeof Agent;
  readonly ProxyAgent: typeof ProxyAgent;
  readonly buildConnector: typeof buildConnector;
};

export type DispatcherOptions = {
  /** Certificates to trust and to show; absent: the system's, and none. */
  readonly tls?: (SecureContextOptions & { readonly rejectUnauthorized?: boolean }) | undefined;
  /** To each origin. */
  readonly connections: number;
};

const connectTimeout = 15_000;

/** Connections to servers, directly or by the environment's proxies. */
export class Dispatchers {
  /** What leads to an origin. */
  readonly of: (origin: string) => Dispatcher;
  readonly #all: readonly Dispatcher[];

  /** Connects to nothing. Throws a `BindingError` for a proxy that is no URL. */
  constructor(driver: Driver, { tls, connections }: DispatcherOptions) {
    // A slow answer is no failure unless responseTimeout says so.
    const shared = { headersTimeout: 0, bodyTimeout: 0, pipelining: 1, connections };
    const connect = { ...tls, timeout: connectTimeout };
    const direct = new driver.Agent({ ...shared, connect });
    const rules = readProxyRules(process.env);
    const open = (proxy: string | undefined, isSecure: boolean): Dispatcher | undefined => {
      if (proxy === undefined) return undefined;
      const protocol = URL.parse(proxy)?.protocol;
      if (isSecure && (protocol === "http:" || protocol === "https:")) {
        const connector = tunnelled(driver.buildConnector(connect), proxy);
        return new driver.Agent({ ...shared, connect: connector });
      }
      try {
        const options = { ...shared, uri: proxy, connectTimeout, requestTls: connect };
        return new driver.ProxyAgent(options);
      } catch {
        throw new BindingError(
          "invalid_argument",
          "HTTP_PROXY or HTTPS_PROXY in the environment is no URL",
        );
      }
    };
    const forward = open(rules.http, false);
    const tunnel = open(rules.https, true);
    this.#all = [direct, forward, tunnel].filter((one) => one !== undefined);
    this.of =
      this.#all.length === 1
        ? () => direct
        : (origin) => {
            const proxy = proxyFor(origin, rules);
            if (proxy === undefined) return direct;
            return (origin.startsWith("https:") ? tunnel : forward) ?? direct;
          };
  }

  /** Ends all connections. */
  async destroy(): Promise<void> {
    await Promise.all(this.#all.map((dispatcher) => dispatcher.destroy()));
  }
}

/** Connects by a proxy, and speaks TLS with the server on that connection. */
function tunnelled(connector: buildConnector.connector, proxy: string): buildConnector.connector {
  return (wanted, callback) => {
    const target = { host: wanted.hostname, port: Number(wanted.port) || 443 };
    openTunnel(proxy, target, AbortSignal.timeout(connectTimeout)).then(
      (httpSocket) => connector({ ...wanted, httpSocket }, callback),
      (error: Error) => callback(error, null),
    );
  };
}
