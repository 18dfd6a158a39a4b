import { BindingError } from "../../errors.ts";
import { assuredBytes, noRoom, type MemoryShare } from "../../memory/budget.ts";
import { Client } from "./client.ts";
import { textPayload } from "./commands.ts";
import type { Driver } from "./driver.ts";
import { connectFailure, statementFailure, unsentFailure } from "./failures.ts";
import { ServerError } from "./packets.ts";
import { executePayload, type BoundStatement } from "./parameters.ts";
import { mayLeaveDatabase } from "./placeholders.ts";
import { NoConnection, Pool, PoolClosed } from "./pool.ts";
import type { Settings } from "./settings.ts";
import type { Outcome } from "./statement.ts";

export type MysqlOptions = {
  readonly driver: Driver;
  readonly settings: Settings;
  readonly memory: MemoryShare;
  readonly lost: (reason: unknown) => void;
};

export type Run = {
  readonly statement: BoundStatement;
  readonly keepsRows: boolean;
  readonly isReadOnly: boolean;
  readonly signal: AbortSignal;
};

const noTls = "Server does not support secure connection";
/** The server, or a part of it, takes no writes: another connection may lead to one that does. */
const readOnlyErrors: ReadonlySet<number> = new Set([1290, 1792, 1836]);
/** How long the request to end a statement may take, in milliseconds. */
const longestKill = 5000;

/** A bounded pool of connections to one server. A connection that broke is replaced; when none can be made, the pool is lost. */
export class MysqlConnection implements AsyncDisposable {
  readonly #options: MysqlOptions;
  readonly #pool: Pool;
  #settings: Settings;
  #maxPacket: number;
  #isClosed = false;
  #isProbing = false;

  private constructor(options: MysqlOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#maxPacket = options.settings.source.maxPacket || Number.POSITIVE_INFINITY;
    this.#pool = new Pool({
      settings: options.settings,
      make: (signal) => this.#connect(signal),
      onBroken: () => void this.#probe(),
    });
  }

  /** Connects once; rejects with a `BindingError` when that cannot be. */
  static async open(options: MysqlOptions, signal: AbortSignal): Promise<MysqlConnection> {
    const opened = new MysqlConnection(options);
    const what = "unable to ping the DB";
    try {
      const client = await opened.#acquire(signal, what);
      await opened.#learn(client, signal, what);
      return opened;
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
  }

  async run({ statement, keepsRows, isReadOnly, signal }: Run): Promise<Outcome> {
    const what = "error executing query";
    if (this.#isClosed) throw new BindingError("failed_precondition", "component is closed");
    this.#refuseLarge(statement);
    const client = await this.#acquire(signal, what).catch((error: unknown) => {
      this.#cannotConnect(error);
      throw error;
    });
    using watch = this.#watch(client, keepsRows, what, signal);
    let keeps = !mayLeaveDatabase(statement.text);
    try {
      if (isReadOnly) await beginReadOnly(client, what);
      const payload = await this.#payloadOf(client, statement, isReadOnly, what);
      const isPrepared = payload[0] !== 0x03;
      watch.isSent = true;
      return await client.statement({ payload, isPrepared, keepsRows, onRow: watch.onRow });
    } catch (error) {
      if (watch.ended !== undefined) throw watch.ended;
      const rejects = this.#settings.source.rejectsReadOnly && !isReadOnly;
      if (rejects && error instanceof ServerError && readOnlyErrors.has(error.number))
        keeps = false;
      throw statementFailure(error, what);
    } finally {
      this.#release(client, keeps);
    }
  }

  /** An answer by which the server shows that it is there; nothing where all connections are in use. */
  async ping(signal: AbortSignal): Promise<void> {
    if (this.#isClosed || this.#pool.isFull) return;
    const what = "unable to ping the DB";
    const client = await this.#acquire(signal, what);
    using watch = this.#watch(client, false, what, signal);
    try {
      await client.ping();
    } catch (error) {
      throw watch.ended ?? statementFailure(error, what);
    } finally {
      this.#release(client, true);
    }
  }

  /** Closes the pool for good, once the statements that run have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const closed = this.#pool.close();
    this.#pool.destroy();
    await closed;
  }

  /** Connects and makes the session ready, within the timeout. */
  async #connect(signal: AbortSignal): Promise<Client> {
    const { source, tls, timeout } = this.#settings;
    const late = AbortSignal.timeout(timeout);
    try {
      const either = AbortSignal.any([signal, late]);
      const client = await Client.connect(this.#options.driver, this.#settings, either);
      const abort = (): void => client.destroy();
      either.addEventListener("abort", abort, { once: true });
      try {
        await client.begin();
        return client;
      } catch (error) {
        client.destroy();
        throw error;
      } finally {
        either.removeEventListener("abort", abort);
      }
    } catch (error) {
      if (late.aborted && !signal.aborted)
        throw new Error(`no connection within ${timeout} ms`, { cause: error });
      const isMissing = error instanceof Error && error.message === noTls;
      if (!isMissing || tls === undefined || !source.mayFallBack) throw error;
      this.#settings = { ...this.#settings, tls: undefined };
      return this.#connect(signal);
    }
  }

  /** Asks for what the server takes at most. */
  async #learn(client: Client, signal: AbortSignal, what: string): Promise<void> {
    using watch = this.#watch(client, false, what, signal);
    try {
      const { rows } = await client.run("SELECT @@max_allowed_packet AS n");
      const most = /\d+/.exec(rows[0] ?? "")?.[0];
      if (most !== undefined) this.#maxPacket = Math.min(this.#maxPacket, Number(most));
    } catch (error) {
      // A server that has no such variable takes what it takes.
      if (error instanceof ServerError) return;
      throw watch.ended ?? unsentFailure(error, what);
    } finally {
      this.#release(client, true);
    }
  }

  /** Parameters are sent beside the statement, never in its text. */
  async #payloadOf(
    client: Client,
    { text, values }: BoundStatement,
    isReadOnly: boolean,
    what: string,
  ): Promise<Buffer> {
    // A prepared one is one statement, which cannot end the transaction before the next.
    const isPrepared = values.length > 0 || (isReadOnly && this.#settings.source.isMultiple);
    if (!isPrepared) return textPayload(text);
    const prepared = await client.prepare(text).catch((error: unknown) => {
      throw unsentFailure(error, what);
    });
    if (prepared.parameters !== values.length) {
      const counts = `expected ${prepared.parameters} arguments, got ${values.length}`;
      throw new BindingError("invalid_argument", `${what}: sql: ${counts}`);
    }
    return executePayload(prepared.id, values);
  }

  #refuseLarge({ text, values }: BoundStatement): void {
    const sizes = values.map(({ bytes }) => bytes?.length ?? 0);
    const size = Math.max(
      Buffer.byteLength(text),
      sizes.reduce((sum, one) => sum + one, 0),
    );
    if (size + 1024 < this.#maxPacket) return;
    throw new BindingError(
      "invalid_argument",
      `error executing query: packet for query is too large: ${size} bytes, and the server takes ${this.#maxPacket} (max_allowed_packet)`,
    );
  }

  async #acquire(signal: AbortSignal, what: string): Promise<Client> {
    try {
      return await this.#pool.acquire(signal);
    } catch (error) {
      const effect = "unsent";
      if (signal.aborted)
        throw new BindingError("deadline_exceeded", `${what}: no connection in time`, { effect });
      if (error instanceof PoolClosed)
        throw new BindingError("failed_precondition", error.message, { effect });
      if (error instanceof NoConnection)
        throw new BindingError("resource_exhausted", `${what}: ${error.message}`, { effect });
      throw connectFailure(error, what);
    }
  }

  #release(client: Client, keeps: boolean): void {
    const { isBroken } = client;
    this.#pool.release(client, keeps);
    if (isBroken) void this.#probe();
  }

  /** Ends the statement when its caller goes, its answer has no room, or nothing comes for too long. */
  #watch(client: Client, keepsRows: boolean, what: string, signal: AbortSignal) {
    const { stream } = client;
    const { readTimeout } = this.#settings.source;
    const held = this.#options.memory.open(assuredBytes);
    let ended: BindingError | undefined;
    let isSent = false;
    const end = (
      reason: "deadline_exceeded" | "resource_exhausted" | "unavailable",
      why: string,
    ) => {
      ended ??= new BindingError(reason, `${what}: ${why}`, {
        effect: isSent ? "ambiguous" : "unsent",
      });
      this.#kill(client);
      client.destroy();
    };
    const onAbort = (): void => end("deadline_exceeded", "no answer in time");
    const onSilence = (): void =>
      end("unavailable", `nothing came for ${readTimeout} ms (readTimeout)`);
    let silence = readTimeout === undefined ? undefined : setTimeout(onSilence, readTimeout);
    const onData = (chunk: Buffer): void => {
      silence = silence?.refresh();
      if (!held.reserve(chunk.length)) end("resource_exhausted", noRoom);
    };
    // The driver has looked at the chunk before.
    stream.on("data", onData);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    return {
      get ended() {
        return ended;
      },
      set isSent(value: boolean) {
        isSent = value;
      },
      onRow: (): void => {
        if (!keepsRows) held.add(-held.bytes);
      },
      [Symbol.dispose]: () => {
        clearTimeout(silence);
        stream.off("data", onData);
        signal.removeEventListener("abort", onAbort);
        held.release();
      },
    };
  }

  /** A server looks whether its client is there only when it has something to send. Nobody waits for it. */
  #kill({ id, isBroken }: Client): void {
    if (id === null || isBroken) return;
    const settings = { ...this.#settings, session: [] };
    const signal = AbortSignal.timeout(longestKill);
    void (async () => {
      const other = await Client.connect(this.#options.driver, settings, signal);
      signal.addEventListener("abort", () => other.destroy(), { once: true });
      await other.run(`KILL CONNECTION ${id}`);
      other.close();
    })().catch(() => undefined);
  }

  /** A connection broke: makes another, if that is not being tried. */
  async #probe(): Promise<void> {
    if (this.#isProbing || this.#isClosed) return;
    this.#isProbing = true;
    try {
      await this.ping(AbortSignal.timeout(this.#settings.timeout + 1000));
    } catch (error) {
      this.#cannotConnect(error);
    } finally {
      this.#isProbing = false;
    }
  }

  #cannotConnect(error: unknown): void {
    const isBusy = error instanceof BindingError && error.reason === "resource_exhausted";
    const isLate = error instanceof BindingError && error.reason === "deadline_exceeded";
    if (!this.#isClosed && !isBusy && !isLate) this.#options.lost(error);
  }
}

/** Nothing of the statement was sent when this fails. What it commits on its own is followed by read-only ones, too. */
async function beginReadOnly(client: Client, what: string): Promise<void> {
  try {
    await client.run("SET SESSION TRANSACTION READ ONLY");
    await client.run("START TRANSACTION READ ONLY");
  } catch (error) {
    throw unsentFailure(error, what);
  }
}
