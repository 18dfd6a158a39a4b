import type { Duplex } from "node:stream";
import type * as Pg from "pg";

export type Driver = Pick<typeof Pg, "Client" | "Pool">;

/** A column's text as the server sent it; null: NULL. */
export type MessageField = string | null;

type ConnectionEvent =
  | ("connect" | "sslconnect" | "error" | "end" | "replicationStart")
  | "bindComplete";

/** The parts of a client that its types do not tell. */
export type ClientInside = {
  readonly processID: number | null;
  readonly secretKey: Buffer | number | null;
  readonly host: string;
  readonly port: number;
  readonly ssl: unknown;
  readonly connection: {
    readonly stream: Duplex;
    connect(port: number | string, host?: string): void;
    requestSsl(): void;
    cancel(processID: number, secretKey: Buffer | number): void;
    query(text: string): void;
    sendCopyFromChunk(chunk: Buffer): void;
    end(): void;
    on(event: ConnectionEvent, listener: () => void): void;
    /** Each message of the server, once it has come whole. */
    on(event: "message", listener: (message: { readonly length: number }) => void): void;
    once(event: ConnectionEvent, listener: () => void): void;
  };
};

export function inside(client: Pg.ClientBase): ClientInside {
  return client as unknown as ClientInside;
}
