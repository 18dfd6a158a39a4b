import type { ClientBase, Pool, PoolClient } from "pg";
import { BindingError, messageOf, type Reason } from "../../errors.ts";
import { assuredBytes, noRoom, type MemoryShare } from "../../memory/budget.ts";
import { Caller } from "./caller.ts";
import { cancelStatement } from "./cancel.ts";
import { inside, type Driver } from "./driver.ts";
import { connectFailure, hidden, isServerError, statementFailure } from "./failures.ts";
import { needsType, parameterText, type BoundStatement } from "./parameters.ts";
import { Session } from "./session.ts";
import type { Settings } from "./settings.ts";
import { Description, Statement, type Outcome } from "./statement.ts";
import { UnsupportedValue } from "./values.ts";

export type PostgresOptions = {
  readonly driver: Driver;
  readonly settings: Settings;
  readonly memory: MemoryShare;
  readonly lost: (reason: unknown) => void;
};

export type Run = {
  readonly statement: BoundStatement;
  readonly keepsRows: boolean;
  readonly isReadOnly: boolean;
  /** Without parameters it is sent as plain text, which may be several statements. */
  readonly mayBePlain: boolean;
  readonly signal: AbortSignal;
};

/** What the text of values depends on. */
export const sessionSettings =
  "SET client_encoding TO 'UTF8'; SET datestyle TO ISO; SET intervalstyle TO postgres; SET extra_float_digits TO 3";
/** As Dapr's driver: a connection is not kept for longer, so that a pooler can balance. Seconds. */
const longestLife = 3600;
const noTls = "The server does not support SSL connections";

/** A bounded pool of connections to one database. A connection that broke is replaced; when none can be made, the pool is lost. */
export class PostgresConnection implements AsyncDisposable {
  readonly #options: PostgresOptions;
  readonly #pool: Pool;
  readonly #active = new Set<PoolClient>();
  readonly #sessions = new WeakMap<ClientBase, Session>();
  #isClosed = false;
  #isProbing = false;

  private constructor(options: PostgresOptions) {
    this.#options = options;
    const { client, timeout, maxConnections, maxIdleTime } = options.settings;
    this.#pool = new options.driver.Pool({
      ...client,
      max: maxConnections,
      idleTimeoutMillis: maxIdleTime,
      connectionTimeoutMillis: timeout,
      maxLifetimeSeconds: longestLife,
      // oxlint-disable-next-line typescript/no-misused-promises -- the pool awaits it, which its types do not tell
      onConnect: async (made) => {
        await made.query(sessionSettings);
      },
    });
    // The statement that runs fails by it, and an unused connection tells the pool.
    this.#pool.on("connect", (made) => made.on("error", () => undefined));
    // An unused connection broke. Whether the server is gone shows when another is made.
    this.#pool.on("error", () => void this.#probe());
  }

  /** Connects once; rejects with a `BindingError` when that cannot be. */
  static async open(options: PostgresOptions, signal: AbortSignal): Promise<PostgresConnection> {
    const { settings } = options;
    const opened = new PostgresConnection(options);
    using caller = new Caller(signal);
    try {
      const client = await opened.#acquire(caller, "unable to connect to the DB");
      opened.#release(client);
      return opened;
    } catch (error) {
      opened.#isClosed = true;
      void opened.#pool.end();
      if (!settings.prefersTls || !messageOf(error).includes(noTls)) throw error;
      const client = { ...settings.client, ssl: false };
      return await PostgresConnection.open(
        { ...options, settings: { ...settings, client, prefersTls: false } },
        signal,
      );
    }
  }

  /** How it connects, once it is known whether the server speaks TLS. */
  get settings(): Settings {
    return this.#options.settings;
  }

  async run({ statement, keepsRows, isReadOnly, mayBePlain, signal }: Run): Promise<Outcome> {
    const what = "error executing query";
    if (this.#isClosed) throw new BindingError("failed_precondition", "component is closed");
    using caller = new Caller(signal);
    const client = await this.#acquire(caller, what).catch((error: unknown) => {
      this.#cannotConnect(error);
      throw error;
    });
    using watch = this.#watch(client, keepsRows, caller);
    try {
      const { text, values: given } = statement;
      const types = given.some(needsType) ? await typesOf(client, text) : [];
      const values = given.map((value, at) => parameterText(value, types[at]));
      if (isReadOnly) await begin(client);
      const isPlain = mayBePlain && !isReadOnly && values.length === 0;
      const sent = { text, values: isPlain ? undefined : values, keepsRows, onRow: watch.onRow };
      const outcome =
        isPlain || isReadOnly
          ? await client.query(new Statement(sent)).done
          : await watch.session.run(sent);
      if (isReadOnly) await plain(client, "COMMIT");
      return outcome;
    } catch (error) {
      if (watch.ended !== undefined) throw watch.ended;
      if (error instanceof UnsupportedValue) {
        const text = `error serializing results: ${error.message}`;
        throw new BindingError("out_of_range", text, { effect: "ambiguous" });
      }
      throw this.#hidden(statementFailure(error, what));
    } finally {
      this.#release(client);
    }
  }

  /** An answer by which the server shows that it is there; nothing where all connections are in use. */
  async ping(signal: AbortSignal): Promise<void> {
    if (this.#isClosed || this.#active.size >= this.#options.settings.maxConnections) return;
    const what = "failed to ping the DB";
    using caller = new Caller(signal);
    const client = await this.#acquire(caller, what);
    using watch = this.#watch(client, false, caller);
    try {
      // Empty: it needs no permission.
      await plain(client, "");
    } catch (error) {
      throw watch.ended ?? this.#hidden(statementFailure(error, what));
    } finally {
      this.#release(client);
    }
  }

  /** Closes the pool for good, once the statements that run have ended. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#pool.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isEnding = this.#isClosed;
    this.#isClosed = true;
    const ended = isEnding ? undefined : this.#pool.end();
    for (const client of this.#active)
      inside(client).connection.stream.destroy(new Error("the component was closed"));
    await ended;
  }

  /** Takes a free connection, or makes one. Whoever does not want it any more leaves it to the next. */
  #acquire(caller: Caller, what: string): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const fail = (error: unknown): void => {
        if (isOver) return;
        isOver = true;
        reject(this.#acquireFailure(error, what));
      };
      caller.whenGone(() =>
        fail(
          new BindingError("deadline_exceeded", `${what}: no connection in time`, {
            effect: "unsent",
          }),
        ),
      );
      this.#pool.connect((error, client) => {
        if (client === undefined) return fail(error);
        if (isOver) return client.release();
        isOver = true;
        this.#active.add(client);
        resolve(client);
      });
    });
  }

  #acquireFailure(error: unknown, what: string): BindingError {
    const { timeout, maxConnections } = this.#options.settings;
    if (this.#active.size < maxConnections) return this.#hidden(connectFailure(error, what));
    return new BindingError(
      "resource_exhausted",
      `${what}: all ${maxConnections} connections (maxConns) were in use for ${timeout} ms`,
      { effect: "unsent" },
    );
  }

  /** One that is in the middle of something is closed. */
  #release(client: PoolClient): void {
    this.#active.delete(client);
    const { stream } = inside(client).connection;
    const isBroken = stream.destroyed || !stream.writable;
    const isIdle = client.getTransactionStatus() === "I";
    client.release(isBroken || !isIdle || undefined);
    if (isBroken) void this.#probe();
  }

  /** Ends the statement when its caller goes, or its answer has no room. */
  #watch(client: PoolClient, keepsRows: boolean, caller: Caller) {
    const { stream } = inside(client).connection;
    const { driver, memory, settings } = this.#options;
    const session = this.#sessionOf(client);
    const held = memory.open(assuredBytes);
    let ended: BindingError | undefined;
    const end = (reason: Reason, why: string): void => {
      ended ??= new BindingError(reason, `error executing query: ${why}`, { effect: "ambiguous" });
      cancelStatement(driver, settings.client, client);
      stream.destroy();
    };
    session.onData = (bytes) => {
      if (!held.reserve(bytes)) end("resource_exhausted", noRoom);
    };
    caller.whenGone(() => end("deadline_exceeded", "no answer in time"));
    return {
      session,
      get ended() {
        return ended;
      },
      onRow: (): void => {
        if (!keepsRows) held.add(-held.bytes);
      },
      [Symbol.dispose]: () => {
        session.onData = undefined;
        held.release();
      },
    };
  }

  #sessionOf(client: PoolClient): Session {
    let session = this.#sessions.get(client);
    if (session === undefined) {
      session = new Session(client, this.#options.settings.keptStatements);
      this.#sessions.set(client, session);
    }
    return session;
  }

  /** A connection broke: makes another, if that is not being tried. */
  async #probe(): Promise<void> {
    if (this.#isProbing || this.#isClosed) return;
    this.#isProbing = true;
    try {
      await this.ping(AbortSignal.timeout(this.#options.settings.timeout + 1000));
    } catch (error) {
      this.#cannotConnect(error);
    } finally {
      this.#isProbing = false;
    }
  }

  #hidden(error: BindingError): BindingError {
    return hidden(error, this.#options.settings.secrets);
  }

  #cannotConnect(error: unknown): void {
    const isBusy = error instanceof BindingError && error.reason === "resource_exhausted";
    const isLate = error instanceof BindingError && error.reason === "deadline_exceeded";
    if (!this.#isClosed && !isBusy && !isLate) this.#options.lost(error);
  }
}

async function plain(client: PoolClient, text: string): Promise<void> {
  await client.query(new Statement({ text, keepsRows: false, onRow() {} })).done;
}

/** The types of a statement's parameters, asked for only where their texts depend on them. */
async function typesOf(client: PoolClient, text: string): Promise<readonly number[]> {
  try {
    return await client.query(new Description(text)).done;
  } catch (error) {
    throw unsentUnlessRefused(error);
  }
}

/** Nothing of the statement was sent when this fails. */
async function begin(client: PoolClient): Promise<void> {
  try {
    await plain(client, "BEGIN READ ONLY");
  } catch (error) {
    throw unsentUnlessRefused(error);
  }
}

function unsentUnlessRefused(error: unknown): unknown {
  return isServerError(error) ? error : connectFailure(error, "error executing query");
}
