import type { TlsMaterial } from "../tls/pem.ts";

/** Where a server is, and how it is entered. */
export type ServerAddress = {
  readonly host: string;
  readonly port: number;
  /** `undefined`: no TLS. */
  readonly tls: TlsMaterial | undefined;
  /** The URL of an HTTP proxy that leads there. Absent: none. */
  readonly proxy?: string | undefined;
  /** The path at which AMQP is spoken over WebSockets. Absent: it is spoken over TCP. */
  readonly webSocketPath?: string | undefined;
  /** The connection's `hostname`. */
  readonly hostname: string;
  readonly sasl: Sasl;
};

/** A SASL mechanism that answers once. */
export type Sasl = {
  readonly mechanism: "PLAIN" | "EXTERNAL" | "ANONYMOUS";
  readonly response: Buffer;
};
