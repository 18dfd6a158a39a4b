import type { DriverConnection } from "./driver.ts";
import { PacketReader, sendCommand } from "./packets.ts";
import { Command } from "./statement.ts";

const [query, ping, prepare, reset] = [0x03, 0x0e, 0x16, 0x1f];

/** The payload of a statement that is sent as text. */
export function textPayload(sql: string): Buffer {
  return Buffer.concat([Buffer.of(query), Buffer.from(sql)]);
}

/** A command whose answer tells nothing. */
export class Plain extends Command<void> {
  readonly #payload: Buffer;

  constructor(payload: Buffer) {
    super(() => {
      this.resolve();
      return undefined;
    });
    this.#payload = payload;
  }

  protected send(connection: DriverConnection): void {
    sendCommand(connection, this.#payload);
  }

  static ping(): Plain {
    return new Plain(Buffer.of(ping));
  }

  /** Undoes what was changed of the session: what is open, locked, set or prepared. */
  static reset(): Plain {
    return new Plain(Buffer.of(reset));
  }
}

export type Prepared = { readonly id: number; readonly parameters: number };

/** Has the server read a statement. Nothing runs. */
export class Preparation extends Command<Prepared> {
  readonly #payload: Buffer;
  #prepared: Prepared = { id: 0, parameters: 0 };
  #remaining = 0;

  constructor(sql: string) {
    super((payload) => {
      const reader = new PacketReader(payload, 1);
      const id = reader.unsigned(4);
      const columns = reader.unsigned(2);
      const parameters = reader.unsigned(2);
      this.#prepared = { id, parameters };
      // Descriptions of parameters and columns follow, each list with its end.
      this.#remaining = (parameters === 0 ? 0 : parameters + 1) + (columns === 0 ? 0 : columns + 1);
      return this.#next();
    });
    this.#payload = Buffer.concat([Buffer.of(prepare), Buffer.from(sql)]);
  }

  protected send(connection: DriverConnection): void {
    sendCommand(connection, this.#payload);
  }

  #next(): (() => ReturnType<Preparation["pass"]>) | undefined {
    if (this.#remaining > 0) return () => this.pass();
    this.resolve(this.#prepared);
    return undefined;
  }

  pass(): (() => ReturnType<Preparation["pass"]>) | undefined {
    this.#remaining--;
    return this.#next();
  }
}
