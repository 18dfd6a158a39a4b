import type { ClientBase, ClientConfig } from "pg";
import type { BindingError } from "../../errors.ts";
import { sessionSettings } from "./connection.ts";
import { inside, type ClientInside, type Driver } from "./driver.ts";
import { connectFailure, hidden } from "./failures.ts";
import type { Settings } from "./settings.ts";

export type InputClientOptions = {
  readonly driver: Driver;
  readonly settings: Settings;
  /** Asks for a connection that replicates. */
  readonly replicates?: boolean;
  readonly what: string;
  /** Called once when the connection is gone, unless it was closed here. */
  readonly lost: (error: BindingError) => void;
};

/** How long a server may take to end a connection that was closed, in milliseconds. */
const endTimeout = 1_000;

/** The connection that an input reads by. */
export class InputClient {
  readonly client: ClientBase;
  readonly #options: InputClientOptions;
  #isClosed = false;

  private constructor(client: ClientBase, options: InputClientOptions) {
    this.client = client;
    this.#options = options;
  }

  /** Rejects with a `BindingError`, also when the signal is aborted. */
  static async open(options: InputClientOptions, signal: AbortSignal): Promise<InputClient> {
    const { driver, settings, replicates } = options;
    const config: ClientConfig & { replication?: string } = {
      ...settings.client,
      connectionTimeoutMillis: settings.timeout,
      ...(replicates === true ? { replication: "database" } : {}),
    };
    const client = new driver.Client(config);
    const opened = new InputClient(client, options);
    client.on("error", (error) => opened.lose(error));
    const abort = (): void => opened.#destroy("the reading has ended");
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    try {
      await client.connect();
      await client.query(sessionSettings);
      return opened;
    } catch (error) {
      opened.#isClosed = true;
      opened.#destroy("it could not be used");
      throw opened.failure(error);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  get connection(): ClientInside["connection"] {
    return inside(this.client).connection;
  }

  /** The server's process for this connection. */
  get processId(): number | null {
    return inside(this.client).processID;
  }

  /** The rows of a statement, as texts. It has no parameters: a connection that replicates knows none. */
  async rows(text: string): Promise<readonly (readonly (string | null)[])[]> {
    const { rows } = await this.client.query<(string | null)[]>({
      text,
      rowMode: "array",
      types: { getTypeParser: () => (value: string) => value },
    });
    return rows;
  }

  /** What is asked comes to, or, after so many milliseconds, the connection is given up. */
  async within<Result>(milliseconds: number, asked: Promise<Result>): Promise<Result> {
    const late = (): void => this.lose(new Error(`no answer within ${milliseconds} ms`));
    const timer = setTimeout(late, milliseconds);
    try {
      return await asked;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The connection cannot go on. */
  lose(error: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#destroy("the connection was given up");
    this.#options.lost(this.failure(error));
  }

  /** What reading failed with, without secrets. */
  failure(error: unknown): BindingError {
    const { what, settings } = this.#options;
    return hidden(connectFailure(error, what), settings.secrets);
  }

  /** Tells the server, which works through what it was sent before, and waits for it a moment. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { connection } = this;
    const ended = new Promise<void>((resolve) => {
      connection.once("end", resolve);
      setTimeout(resolve, endTimeout).unref();
    });
    connection.end();
    connection.stream.resume();
    if (connection.stream.destroyed) return;
    await ended;
    this.#destroy("the connection was closed");
  }

  #destroy(why: string): void {
    const { stream } = this.connection;
    if (!stream.destroyed) stream.destroy(new Error(why));
  }
}
