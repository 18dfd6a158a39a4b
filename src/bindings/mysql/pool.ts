import type { Client } from "./client.ts";
import type { Settings } from "./settings.ts";

export type PoolOptions = {
  readonly settings: Pick<
    Settings,
    "maxConnections" | "maxIdle" | "maxIdleTime" | "maxLifetime" | "timeout"
  >;
  /** Connects, and makes the session ready. */
  make(signal: AbortSignal): Promise<Client>;
  /** A connection broke that no call has. */
  onBroken(): void;
};

/** All connections were in use for too long. */
export class NoConnection extends Error {}

/** The pool is closed, or was meanwhile. */
export class PoolClosed extends Error {
  constructor() {
    super("component is closed");
  }
}

/** Connections that calls share, so many at most. What a call changes of a session is undone before the next has it. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #active = new Set<Client>();
  readonly #resetting = new Set<Client>();
  readonly #idle = new Map<Client, NodeJS.Timeout | undefined>();
  /** Each is given a connection, or leave to make one. */
  readonly #waiting: PromiseWithResolvers<Client | undefined>[] = [];
  readonly #ended = Promise.withResolvers<void>();
  /** With those that are being made. */
  #open = 0;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Whether a call would wait. */
  get isFull(): boolean {
    return this.#active.size >= this.#options.settings.maxConnections;
  }

  /** Takes a connection that is unused, or makes one. Rejects with `NoConnection`, `PoolClosed`, or what making it failed with. */
  async acquire(signal: AbortSignal): Promise<Client> {
    const { maxConnections } = this.#options.settings;
    if (this.#isClosed) throw new PoolClosed();
    for (const client of [...this.#idle.keys()].toReversed()) {
      clearTimeout(this.#idle.get(client));
      this.#idle.delete(client);
      client.onBroken = undefined;
      if (!client.isBroken && !this.#isOld(client)) return this.#taken(client);
      this.#end(client);
    }
    if (this.#open < maxConnections) {
      this.#open++;
      return this.#make(signal);
    }
    const client = await this.#turn(signal);
    return client === undefined ? this.#make(signal) : this.#taken(client);
  }

  /** Gives a connection back. `keeps`: its session can be used again. */
  release(client: Client, keeps: boolean): void {
    this.#active.delete(client);
    if (!keeps || client.isBroken || this.#isClosed || this.#isOld(client)) {
      this.#end(client);
      return;
    }
    this.#resetting.add(client);
    const timer = setTimeout(() => client.destroy(), this.#options.settings.timeout).unref();
    client
      .reset()
      .then(() => this.#free(client))
      .catch(() => {
        this.#resetting.delete(client);
        this.#end(client);
        this.#options.onBroken();
      })
      .finally(() => clearTimeout(timer));
  }

  /** Closes the connections, those in use once they are given back. Resolves when there is none any more. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      for (const waiting of this.#waiting.splice(0)) waiting.reject(new PoolClosed());
      for (const [client, timer] of this.#idle) {
        clearTimeout(timer);
        client.onBroken = undefined;
        this.#end(client);
      }
      this.#idle.clear();
      if (this.#open === 0) this.#ended.resolve();
    }
    await this.#ended.promise;
  }

  /** Breaks what is in use. */
  destroy(): void {
    for (const client of [...this.#active, ...this.#resetting]) client.destroy();
  }

  #taken(client: Client): Client {
    this.#active.add(client);
    return client;
  }

  async #make(signal: AbortSignal): Promise<Client> {
    try {
      const client = await this.#options.make(signal);
      if (!this.#isClosed) return this.#taken(client);
      client.close();
      throw new PoolClosed();
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  async #turn(signal: AbortSignal): Promise<Client | undefined> {
    const waiting = Promise.withResolvers<Client | undefined>();
    this.#waiting.push(waiting);
    const stop = (reason: unknown): void => {
      const at = this.#waiting.indexOf(waiting);
      if (at === -1) return;
      this.#waiting.splice(at, 1);
      waiting.reject(reason);
    };
    const { timeout, maxConnections } = this.#options.settings;
    const timer = setTimeout(
      () =>
        stop(
          new NoConnection(
            `all ${maxConnections} connections (maxOpenConns) were in use for ${timeout} ms`,
          ),
        ),
      timeout,
    );
    const abort = (): void => stop(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  /** The connection's session is as new. */
  #free(client: Client): void {
    this.#resetting.delete(client);
    const next = this.#isClosed || client.isBroken ? undefined : this.#waiting.shift();
    if (next !== undefined) {
      next.resolve(client);
      return;
    }
    const { maxIdle, maxIdleTime } = this.#options.settings;
    if (this.#isClosed || client.isBroken || this.#idle.size >= maxIdle) {
      this.#end(client);
      return;
    }
    const drop = (): void => {
      clearTimeout(this.#idle.get(client));
      this.#idle.delete(client);
      client.onBroken = undefined;
      this.#end(client);
    };
    const timer = maxIdleTime === 0 ? undefined : setTimeout(drop, maxIdleTime).unref();
    this.#idle.set(client, timer);
    client.onBroken = () => {
      drop();
      this.#options.onBroken();
    };
  }

  #isOld(client: Client): boolean {
    const { maxLifetime } = this.#options.settings;
    return maxLifetime > 0 && performance.now() - client.made > maxLifetime;
  }

  #end(client: Client): void {
    client.close();
    this.#leave();
  }

  /** There is room for one more: the next that waits makes it. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#open--;
    else next.resolve(undefined);
    if (this.#isClosed && this.#open === 0) this.#ended.resolve();
  }
}
