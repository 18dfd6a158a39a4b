import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type * as IoRedis from "ioredis";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { BindingError, messageOf } from "../../errors.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { parseAddresses } from "./addresses.ts";
import type { Address } from "./addresses.ts";
import { failure, isDemoted, notConnected } from "./failures.ts";
import type { RedisMetadata } from "./fields.ts";
import { tokenLogin } from "./token-login.ts";
import type { TokenLogin, UserToken } from "./token-login.ts";
import { countReplies } from "./incoming.ts";
import { SharedWrites } from "./shared-writes.ts";
import { longestTimer } from "../../metadata/duration.ts";

type Driver = Pick<typeof IoRedis, "Redis" | "Cluster">;

/** The least pause before a login is renewed, and the most before a failed renewal is tried again. Milliseconds. */
const leastPause = 1_000;
const retryPause = 10_000;
/** For a new token, in milliseconds: a chain of log-ins may ask several services. */
const tokenTimeout = 60_000;

export type ConnectOptions = {
  readonly metadata: RedisMetadata;
  /** What the server calls this client in its own lists. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** What the reply counts in that is coming in. */
  readonly memory: MemoryShare;
  readonly lost: (reason: unknown) => void;
  /** Told which tokens must not be shown. */
  readonly hide: ((secret: string) => void) | undefined;
  /** Loads what some log-ins need. */
  readonly driver: (name: string) => unknown;
};

/** A connection to one server, to the primary behind sentinels, or to a cluster. It never reconnects by itself. */
export class RedisConnection implements AsyncDisposable {
  readonly #client: Redis | Cluster;
  readonly #writes: SharedWrites;
  readonly #lost: (reason: unknown) => void;
  #lastError: unknown;
  #opened = false;
  #closing = false;
  #renewal: NodeJS.Timeout | undefined;

  private constructor(client: Redis | Cluster, lost: (reason: unknown) => void) {
    this.#client = client;
    this.#writes = new SharedWrites(client);
    this.#lost = lost;
    client.on("error", (error) => (this.#lastError = error));
    client.on("end", () => this.#ended());
    // A cluster goes on without a node that it lost; opening anew finds the one that took over.
    client.on("-node", () => this.#ended());
  }

  /** Connects and has a PING answered; rejects, with everything closed, when that cannot be. */
  static async open(driver: Driver, options: ConnectOptions): Promise<RedisConnection> {
    const { metadata, signal, lost } = options;
    const addresses = parseAddresses(metadata.redisHost, metadata.redisPort);
    const login = tokenLogin(metadata, options);
    const first = await login?.(signal);
    const client = createClient(driver, addresses, options, first);
    if ("nodes" in client) client.on("+node", (node: Redis) => countReplies(node, options.memory));
    else countReplies(client, options.memory);
    const connection = new RedisConnection(client, lost);
    // The driver's own promise stays open when a cluster is not ready, or when it is told to stop.
    const given = Promise.withResolvers<never>();
    given.promise.catch(() => {});
    const abandon = (): void => given.reject(signal.reason);
    signal.addEventListener("abort", abandon, { once: true });
    client.once("end", () => given.reject(new Error("it is not ready")));
    try {
      signal.throwIfAborted();
      await Promise.race([client.connect().then(() => answers(client)), given.promise]);
    } catch (error) {
      client.disconnect();
      throw openingFailure(metadata.redisHost, error, connection.#lastError, signal);
    } finally {
      signal.removeEventListener("abort", abandon);
    }
    connection.#opened = true;
    if (login !== undefined && first !== undefined) connection.#renewLater(login, first);
    return connection;
  }

  /** Runs commands; rejects with a `BindingError` that says whether they can have had an effect. */
  async run<Result>(commands: (client: Redis | Cluster) => Promise<Result>): Promise<Result> {
    if (this.#client.status !== "ready") throw notConnected(this.#lastError);
    this.#writes.begin();
    try {
      return await commands(this.#client);
    } catch (thrown) {
      const error = failure(thrown, this.#lastError);
      if (isDemoted(error)) this.#lost(error);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#renewal);
    // The answer to QUIT comes after all others; a server that is silent is left after readTimeout.
    if (this.#client.status === "ready") await this.#client.quit().catch(() => {});
    this.#client.disconnect();
  }

  #ended(): void {
    clearTimeout(this.#renewal);
    if (!this.#opened || this.#closing) return;
    const because =
      this.#lastError === undefined ? "the server closed it" : messageOf(this.#lastError);
    this.#lost(`redis binding: the connection is gone: ${because}`);
  }

  #renewLater(login: TokenLogin, last: UserToken, pause = last.renewAt - Date.now()): void {
    const due = Math.min(Math.max(leastPause, pause), longestTimer);
    this.#renewal = setTimeout(() => void this.#renew(login, last), due).unref();
  }

  /** Logs in anew on the same connections, whose calls go on. Until the last token ends a failure is no loss. */
  async #renew(login: TokenLogin, last: UserToken): Promise<void> {
    try {
      const fresh = await login(AbortSignal.timeout(tokenTimeout));
      await this.#authenticate(fresh);
      if (!this.#closing) this.#renewLater(login, fresh);
    } catch (error) {
      if (this.#closing) return;
      const left = last.endsAt - Date.now();
      if (left > 0) this.#renewLater(login, last, Math.min(left, retryPause));
      else this.#lost(error);
    }
  }

  async #authenticate({ username, token }: UserToken): Promise<void> {
    const client = this.#client;
    const nodes = "nodes" in client ? client.nodes("all") : [client];
    // A cluster connects later to nodes that join, with these.
    const later = "nodes" in client ? client.options.redisOptions : undefined;
    if (later !== undefined) later.password = token;
    const words = username ? ([username, token] as const) : ([token] as const);
    const login = async (node: Redis): Promise<void> => {
      node.options.password = token;
      // One that has not connected yet does so with the new token.
      if (node.status !== "wait") await node.call("AUTH", ...words);
    };
    await Promise.all(nodes.map(login)).catch((error: unknown) => {
      throw failure(error, this.#lastError);
    });
  }
}

/** Whoever is told that it may not ask has been answered. */
async function answers(client: Redis | Cluster): Promise<void> {
  try {
    await client.ping();
  } catch (error) {
    if (failure(error, undefined).systemCode !== "NOPERM") throw error;
  }
}

function createClient(
  driver: Driver,
  addresses: readonly Address[],
  { metadata, name }: ConnectOptions,
  login: UserToken | undefined,
): Redis | Cluster {
  const [first, second] = addresses;
  if (first === undefined) throw new BindingError("invalid_argument", "redisHost names no host");
  const readTimeout = metadata.readTimeout || 3000;
  const password = login?.token ?? metadata.redisPassword;
  const username = login?.username ?? metadata.redisUsername;
  const tls = metadata.enableTLS ? tlsOptions(metadata) : undefined;
  const common = {
    lazyConnect: true,
    protocol: 2,
    // The runtime repeats what may be repeated, and opens anew what was lost.
    maxRetriesPerRequest: 0,
    reconnectOnError: null,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    connectTimeout: metadata.dialTimeout > 0 ? metadata.dialTimeout : 5000,
    connectionName: name.replaceAll(/[^\x21-\x7e]/g, "-"),
    ...(readTimeout > 0 ? { socketTimeout: readTimeout } : {}),
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
  } satisfies RedisOptions;
  if (metadata.failover) {
    if (!metadata.sentinelMasterName) {
      throw new BindingError("invalid_argument", "failover needs sentinelMasterName");
    }
    return new driver.Redis({
      ...common,
      db: metadata.redisDB,
      retryStrategy: null,
      enableOfflineQueue: false,
      sentinels: [...addresses],
      name: metadata.sentinelMasterName,
      sentinelRetryStrategy: () => null,
      ...(metadata.sentinelUsername ? { sentinelUsername: metadata.sentinelUsername } : {}),
      ...(metadata.sentinelPassword ? { sentinelPassword: metadata.sentinelPassword } : {}),
      ...(tls ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
    });
  }
  if (metadata.redisType === "cluster") {
    return new driver.Cluster([...addresses], {
      lazyConnect: true,
      clusterRetryStrategy: () => null,
      clusterNodeRetryStrategy: null,
      enableOfflineQueue: false,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      redisOptions: { ...common, ...(tls ? { tls } : {}) },
      // Names stay as the cluster announces them, so that certificates can be checked against them.
      ...(tls ? { dnsLookup: (host, done) => done(null, host) } : {}),
    });
  }
  if (second !== undefined) {
    throw new BindingError(
      "invalid_argument",
      "redisHost names several hosts, which needs redisType: cluster or failover: true",
    );
  }
  return new driver.Redis({
    ...common,
    ...first,
    db: metadata.redisDB,
    retryStrategy: null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    ...(tls ? { tls: { ...tls, ...(isIP(first.host) ? {} : { servername: first.host }) } } : {}),
  });
}

function tlsOptions(metadata: RedisMetadata): ConnectionOptions {
  return {
    minVersion: "TLSv1.2",
    rejectUnauthorized: !metadata.insecureSkipTLSVerify,
    ...(metadata.caCert ? { ca: metadata.caCert } : {}),
    ...(metadata.clientCert && metadata.clientKey
      ? { cert: metadata.clientCert, key: metadata.clientKey }
      : {}),
  };
}

function openingFailure(
  host: string,
  thrown: unknown,
  lastError: unknown,
  signal: AbortSignal,
): BindingError {
  const where = `redis binding: error connecting to redis at ${host}`;
  if (signal.aborted) {
    return new BindingError("deadline_exceeded", `${where}: no answer in time`, {
      effect: "unsent",
    });
  }
  // The driver's own words for a failed login or connection are in its error event.
  const cause =
    thrown instanceof Error && thrown.name === "ReplyError" ? thrown : (lastError ?? thrown);
  const { reason, systemCode } = failure(cause, undefined);
  return new BindingError(reason, `${where}: ${messageOf(cause)}`, {
    effect: "unsent",
    systemCode,
  });
}
