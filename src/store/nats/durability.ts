import { BindingError, messageOf } from "../../errors.ts";
import type { Driver } from "../../nats-client/driver.ts";
import { Link } from "../../nats-client/link.ts";
import type { NatsSettings } from "../../nats-client/settings.ts";
import type { StoreConnection } from "./connection.ts";
import { streamInfo } from "./streams.ts";

export type DurabilityOptions = {
  /** `relaxed`: what the servers have taken counts as kept, however often they bring it to their disks. */
  readonly mode: "strict" | "relaxed";
  /**
   * Where the servers say how they sync: `http://HOST:8222` for each, or one `nats://` address with a login of the system
   * account. None: it is not known.
   */
  readonly monitoring: readonly string[];
  /** The stream of the records. */
  readonly stream: string;
  /** Told each answer about that stream that differs from the one before. */
  readonly changed?: ((doubt: string | undefined) => void) | undefined;
};

/** How long an answer holds, in milliseconds: a good one, and another. */
const holds = { good: 60_000, other: 5_000 };
const askTimeout = 3_000;
/** Servers that have not answered by then do not. */
const gatherTime = 1_000;

/** What one server says, by its name. */
type Sync = { readonly server: string; readonly always: boolean; readonly interval: number };

type Varz = {
  readonly server_name?: string;
  readonly jetstream?: {
    readonly config?: { readonly sync_always?: boolean; readonly sync_interval?: number };
  };
};

const remedy =
  "set sync_interval: always in the jetstream block of each server and say --store-monitoring URL, or accept the loss with --store-durability relaxed";

/** Whether what the servers have acknowledged outlives their machines' power. */
export class Durability {
  readonly #connection: StoreConnection;
  readonly #options: DurabilityOptions;
  /** By stream: each has servers of its own. */
  readonly #known = new Map<string, { doubt: string | undefined; until: number }>();
  readonly #asking = new Map<string, Promise<string | undefined>>();

  constructor(connection: StoreConnection, options: DurabilityOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** What was answered last about the stream of the records. */
  get last(): string | undefined {
    return this.#known.get(this.#options.stream)?.doubt;
  }

  /**
   * Why no event may be settled on the strength of the servers of a stream, with what to do; `undefined`: it may. Never
   * rejects. Default: the stream of the records.
   */
  async doubt(stream = this.#options.stream): Promise<string | undefined> {
    if (this.#options.mode === "relaxed") return undefined;
    const known = this.#known.get(stream);
    if (known !== undefined && known.until > performance.now()) return known.doubt;
    const asking =
      this.#asking.get(stream) ??
      this.#ask(stream).then((doubt) => {
        const before = this.#known.get(stream)?.doubt;
        const holdsFor = doubt === undefined ? holds.good : holds.other;
        this.#known.set(stream, { doubt, until: performance.now() + holdsFor });
        this.#asking.delete(stream);
        if (stream === this.#options.stream && doubt !== before) this.#options.changed?.(doubt);
        return doubt;
      });
    this.#asking.set(stream, asking);
    return asking;
  }

  async #ask(stream: string): Promise<string | undefined> {
    const { monitoring } = this.#options;
    if (monitoring.length === 0)
      return `nobody knows how often the NATS servers bring what they have to their disks: ${remedy}`;
    try {
      const link = await this.#connection.link();
      const { cluster } = await streamInfo(link, stream);
      const names = [cluster?.leader, ...(cluster?.replicas ?? []).map(({ name }) => name)];
      const servers =
        cluster === undefined ? [link.serverName] : names.filter((name) => name !== undefined);
      const said = (await Promise.all(monitoring.map((url) => this.#syncs(url)))).flat();
      for (const server of servers) {
        const sync = said.find((one) => one.server === server);
        if (sync === undefined)
          return `nobody knows how often the NATS server ${server} brings what it has to its disk: ${remedy}`;
        if (!sync.always) {
          const seconds = sync.interval / 1e9;
          return `the NATS server ${server} brings what it has to its disk every ${seconds} s only: ${remedy}`;
        }
      }
      return undefined;
    } catch (error) {
      return `nobody knows how often the NATS servers bring what they have to their disks (${messageOf(error)}): ${remedy}`;
    }
  }

  async #syncs(url: string): Promise<Sync[]> {
    if (/^(nats|tls):/i.test(url)) return this.#ofSystemAccount(url);
    const address = new URL("varz", url.endsWith("/") ? url : `${url}/`);
    let varz: Varz;
    try {
      const answer = await fetch(address, { signal: AbortSignal.timeout(askTimeout) });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      varz = (await answer.json()) as Varz;
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      throw new BindingError("unavailable", `${address.host}: ${messageOf(cause)}`, {
        cause: error,
      });
    }
    return syncOf(varz);
  }

  async #ofSystemAccount(url: string): Promise<Sync[]> {
    const { settings } = this.#connection;
    const own: NatsSettings = {
      ...{ servers: [url], tlsHandshakeFirst: settings.tlsHandshakeFirst, timeout: askTimeout },
      ...{
        caCert: settings.caCert,
        clientCert: settings.clientCert,
        clientKey: settings.clientKey,
      },
      inboxPrefix: "_INBOX",
    };
    await using link = await Link.open(this.#connection.driver satisfies Driver, {
      ...{ metadata: own, name: "cufflink store monitoring", memory: undefined },
      ...{ signal: AbortSignal.timeout(askTimeout), lost: () => undefined, hide: undefined },
    });
    const inbox = link.driver.createInbox(own.inboxPrefix);
    const found: Sync[] = [];
    link.subscribe(
      inbox,
      (message) => {
        if (message.data.length > 0)
          found.push(...syncOf(message.json<{ data?: Varz }>().data ?? {}));
      },
      () => undefined,
    );
    link.publish("$SYS.REQ.SERVER.PING.VARZ", "", inbox);
    await new Promise((resolve) => setTimeout(resolve, gatherTime));
    return found;
  }
}

function syncOf({ server_name, jetstream }: Varz): Sync[] {
  if (server_name === undefined || jetstream?.config === undefined) return [];
  const { sync_always = false, sync_interval = 0 } = jetstream.config;
  return [{ server: server_name, always: sync_always, interval: sync_interval }];
}
