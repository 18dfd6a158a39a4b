import { AmqpConnection } from "../../amqp-client/connection.ts";
import type { Driver } from "../../amqp-client/driver.ts";
import { RequestLink } from "../../amqp-client/request-link.ts";
import type { ServerAddress } from "../../amqp-client/server-address.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import type { Claim, Credentials } from "./messaging-credentials.ts";

export type NamespaceOptions = {
  readonly driver: Driver;
  readonly address: ServerAddress;
  readonly credentials: Credentials;
  readonly containerId: string;
  readonly signal: AbortSignal;
  readonly lost: (reason: BindingError) => void;
  /** Milliseconds. */
  readonly idleTimeout: number;
};

const renewalPause = 10_000;

/** A connection to a namespace of Service Bus or Event Hubs, whose entities are entered by tokens that are renewed. */
export class NamespaceConnection {
  readonly connection: AmqpConnection;
  readonly driver: Driver;
  readonly #options: NamespaceOptions;
  readonly #claims = new Map<string, { ready: Promise<void>; timer?: NodeJS.Timeout }>();
  readonly #management = new Map<string, Promise<RequestLink>>();
  #claiming: Promise<RequestLink> | undefined;
  #closed = false;

  private constructor(options: NamespaceOptions, connection: AmqpConnection) {
    this.#options = options;
    this.driver = options.driver;
    this.connection = connection;
    connection.onEnd(() => this.#forget());
  }

  static async open(options: NamespaceOptions): Promise<NamespaceConnection> {
    const { driver, address, containerId, signal, lost, idleTimeout } = options;
    const connection = await AmqpConnection.open({
      ...{ driver, address, containerId, signal, lost, idleTimeout },
    });
    return new NamespaceConnection(options, connection);
  }

  /** Resolves once the connection may use the entity; the token is renewed as long as the connection lasts. */
  authorize(entity: string, signal: AbortSignal): Promise<void> {
    const audience = `sb://${this.#options.address.hostname}/${entity}`;
    const known = this.#claims.get(audience);
    if (known !== undefined) return known.ready;
    const entry: { ready: Promise<void>; timer?: NodeJS.Timeout } = {
      ready: this.#put(audience, signal),
    };
    this.#claims.set(audience, entry);
    entry.ready.catch(() => this.#claims.delete(audience));
    return entry.ready;
  }

  /**
   * The management node of an entity, or with the empty text that of the namespace, which is entered by the token for
   * `claimed`. It is opened when first asked for.
   */
  async management(entity: string, claimed: string, signal: AbortSignal): Promise<RequestLink> {
    const address = entity === "" ? "$management" : `${entity}/$management`;
    const known = await this.#management.get(address)?.catch(() => undefined);
    if (known !== undefined && known.ended === undefined) return known;
    const opened = this.authorize(claimed, signal).then(() =>
      RequestLink.open(this.connection, address, signal),
    );
    this.#management.set(address, opened);
    return opened;
  }

  async close(): Promise<void> {
    this.#forget();
    await this.connection.close();
  }

  async #put(audience: string, signal: AbortSignal): Promise<void> {
    const { credentials } = this.#options;
    const claim = await credentials.claim(audience, signal);
    const link = await this.#cbs(signal);
    const reply = await link.request(
      { operation: "put-token", type: claim.type, name: audience },
      claim.token,
      signal,
    );
    const status = statusOf(reply.properties);
    if (status.code < 200 || status.code > 299) {
      credentials.refused(claim);
      throw new BindingError(
        status.code === 401 ? "unauthenticated" : status.code === 404 ? "not_found" : "unavailable",
        `the namespace does not let the component in to ${audience}: ${status.text || "no reason was given"} (${status.code})`,
        { effect: "unsent", systemCode: String(status.code) },
      );
    }
    this.#renewLater(audience, claim);
  }

  /** At nine tenths of what is left of it, and again soon where that fails: the service detaches what has no token. */
  #renewLater(audience: string, { until }: Claim): void {
    this.#schedule(audience, Math.max(1000, (until - Date.now()) * 0.9));
  }

  #schedule(audience: string, wait: number): void {
    const entry = this.#claims.get(audience);
    if (entry === undefined || this.#closed) return;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(
      () => {
        this.#put(audience, AbortSignal.timeout(30_000)).catch(() =>
          this.#schedule(audience, renewalPause),
        );
      },
      Math.min(longestTimer, wait),
    );
    entry.timer.unref();
  }

  async #cbs(signal: AbortSignal): Promise<RequestLink> {
    const known = await this.#claiming?.catch(() => undefined);
    if (known !== undefined && known.ended === undefined) return known;
    this.#claiming = RequestLink.open(this.connection, "$cbs", signal);
    return this.#claiming;
  }

  #forget(): void {
    this.#closed = true;
    for (const { timer } of this.#claims.values()) clearTimeout(timer);
  }
}

/** What a node says of a request: the names of its properties are written in two ways. */
export function statusOf(properties: Readonly<Record<string, unknown>>): {
  readonly code: number;
  readonly text: string;
  readonly condition: string | undefined;
} {
  const code = properties["statusCode"] ?? properties["status-code"];
  const text = properties["statusDescription"] ?? properties["status-description"];
  const condition = properties["errorCondition"] ?? properties["error-condition"];
  return {
    code: typeof code === "number" ? code : Number(code),
    text: typeof text === "string" ? text : "",
    condition: condition === undefined || condition === null ? undefined : messageOf(condition),
  };
}
