import { randomBytes } from "node:crypto";
import { apiPrefix } from "../../nats-client/jetstream.ts";
import type { Link } from "../../nats-client/link.ts";
import type { StoreConnection } from "./connection.ts";
import { messageOfDelivery, type StoredMessage } from "./messages.ts";

export type FollowerOptions = {
  readonly stream: string;
  readonly filter: string;
  /** Without bodies. */
  readonly headersOnly?: boolean;
  /** How often the server says that it is there, in milliseconds; three that are missing: it is not. Default 5,000. */
  readonly heartbeat?: number;
  /** What is there begins, again after the connection was gone. What is not told until {@link current} is gone. */
  readonly begin: () => void;
  readonly received: (message: StoredMessage) => void;
  /** All that was there at the beginning was told. */
  readonly current: () => void;
};

/** Of one request to the consumer. */
const batch = 256;
const batchBytes = 4 * 1024 * 1024;
/** How long a request lives, in milliseconds. */
const requestLife = 30_000;
const usualHeartbeat = 5_000;
/** Before it is tried again, in milliseconds. */
const pause = 500;

/**
 * Follows the messages of a filter, in order, from what is there on. Whenever the connection or the consumer was gone it
 * begins anew. Nothing here is acknowledged: the consumer lives as long as it is read.
 */
export class Follower {
  readonly #connection: StoreConnection;
  readonly #options: FollowerOptions;
  readonly #stops: (() => void)[] = [];
  #generation = 0;
  #stopRequest: (() => void) | undefined;
  #again: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(connection: StoreConnection, options: FollowerOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#stops.push(
      connection.onUp(() => this.#start()),
      connection.onDown(() => this.#end()),
    );
    this.#start();
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    this.#end();
  }

  #end(): void {
    this.#generation++;
    clearTimeout(this.#again);
    this.#stopRequest?.();
    this.#stopRequest = undefined;
  }

  #start(): void {
    if (this.#closed) return;
    this.#end();
    void this.#follow(this.#generation).catch(() => this.#startAgain());
  }

  #startAgain(): void {
    if (this.#closed) return;
    this.#end();
    this.#again = setTimeout(() => this.#start(), pause);
    this.#again.unref();
  }

  async #follow(generation: number): Promise<void> {
    const { stream, filter, headersOnly = false, begin, current } = this.#options;
    const link = await this.#connection.link();
    if (generation !== this.#generation) return;
    const name = `store-${randomBytes(9).toString("hex")}`;
    const config = {
      ...{ name, filter_subject: filter, ack_policy: "none", deliver_policy: "all" },
      ...{ mem_storage: true, num_replicas: 1, headers_only: headersOnly },
      inactive_threshold: 4 * requestLife * 1_000_000,
    };
    const { num_pending } = await link.api<{ num_pending: number }>(
      `CONSUMER.CREATE.${stream}.${name}.${filter}`,
      { stream_name: stream, config },
      "following the store on NATS",
    );
    if (generation !== this.#generation) return;
    begin();
    if (num_pending === 0) current();
    this.#request(link, generation, { name, next: 1, isCurrent: num_pending === 0 });
  }

  #request(
    link: Link,
    generation: number,
    reading: { readonly name: string; readonly next: number; readonly isCurrent: boolean },
  ): void {
    const { stream, received, current, heartbeat = usualHeartbeat } = this.#options;
    const { inboxPrefix } = link.metadata;
    const inbox = link.driver.createInbox(inboxPrefix);
    let { next, isCurrent } = reading;
    let count = 0;
    let silence: NodeJS.Timeout | undefined;
    /** A server says that a request is complete after its last message, when the next one is under way already. */
    let isStopped = false;
    const isOver = (): boolean => isStopped || generation !== this.#generation;
    const listen = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => this.#startAgain(), 3 * heartbeat);
      silence.unref();
    };
    const subscription = link.subscribe(
      inbox,
      (message) => {
        if (isOver()) return;
        listen();
        const delivery = messageOfDelivery(message);
        if (delivery === undefined) {
          const code = message.headers?.code;
          if (code === 100) return;
          stop();
          // The request is over, for its time or its bytes; else the consumer is gone.
          if (code === 404 || code === 408 || code === 409) {
            const isGone =
              code === 409 &&
              /delete|leadership|shutdown/i.test(message.headers?.description ?? "");
            if (!isGone) return this.#request(link, generation, { ...reading, next, isCurrent });
          }
          return this.#startAgain();
        }
        // Something was lost on the way.
        if (delivery.number !== next) return this.#startAgain();
        next++;
        count++;
        received(delivery.message);
        if (!isCurrent && delivery.pending === 0) {
          isCurrent = true;
          current();
        }
        if (count === batch && !isOver()) {
          stop();
          this.#request(link, generation, { ...reading, next, isCurrent });
        }
      },
      () => this.#startAgain(),
    );
    const stop = (): void => {
      isStopped = true;
      clearTimeout(silence);
      void subscription.drain().catch(() => undefined);
      if (this.#stopRequest === stop) this.#stopRequest = undefined;
    };
    this.#stopRequest = stop;
    listen();
    const nanoseconds = 1_000_000;
    const body = {
      ...{ batch, max_bytes: batchBytes, expires: requestLife * nanoseconds },
      idle_heartbeat: heartbeat * nanoseconds,
    };
    try {
      link.publish(
        `${apiPrefix(link.metadata)}.CONSUMER.MSG.NEXT.${stream}.${reading.name}`,
        JSON.stringify(body),
        inbox,
      );
    } catch {
      this.#startAgain();
    }
  }
}
