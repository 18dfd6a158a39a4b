import type { ImapFlow, ImapFlowOptions } from "imapflow";
import { abortable } from "../../abortable.ts";
import { BindingError } from "../../errors.ts";
import { failureOf } from "./failures.ts";

export type ImapDriver = { readonly ImapFlow: new (options: ImapFlowOptions) => ImapFlow };

/** How long the server may take to say goodbye, in milliseconds. */
const goodbye = 1000;

/** One connection that is logged in. It is never made again: who has it is told that it is lost. */
export class ImapConnection implements AsyncDisposable {
  readonly client: ImapFlow;
  #closed = false;
  /** Messages that are not handled yet, as far as the reader has seen. */
  backlog = 0;

  private constructor(client: ImapFlow) {
    this.client = client;
  }

  /** Connects and logs in. `lost` is called once when the connection is gone. Throws a `BindingError`. */
  static async open(
    driver: ImapDriver,
    options: ImapFlowOptions,
    signal: AbortSignal,
    lost: (reason: unknown) => void,
  ): Promise<ImapConnection> {
    const client = new driver.ImapFlow(options);
    const connection = new ImapConnection(client);
    let why: unknown;
    let isReady = false;
    client.on("error", (error: unknown) => (why ??= error));
    client.on("close", () => {
      if (!isReady || connection.#closed) return;
      lost(failureOf(why ?? new Error("the server ended the connection"), "connection lost"));
    });
    const abort = (): void => client.close();
    signal.addEventListener("abort", abort, { once: true });
    try {
      signal.throwIfAborted();
      await client.connect();
    } catch (error) {
      connection.#closed = true;
      client.close();
      throw failureOf(why ?? error, "cannot connect");
    } finally {
      signal.removeEventListener("abort", abort);
    }
    isReady = true;
    return connection;
  }

  /** Asks whether the server still answers. */
  async ping(signal: AbortSignal): Promise<void> {
    try {
      const answered: unknown = await abortable(
        this.client.noop(),
        signal,
        () => new BindingError("unavailable", "imap: the server does not answer"),
      );
      if (answered === false) throw new Error("the server does not answer");
    } catch (error) {
      throw failureOf(error, "heartbeat");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => this.client.close(), goodbye);
    await this.client.logout().catch(() => undefined);
    clearTimeout(timer);
    this.client.close();
  }
}
