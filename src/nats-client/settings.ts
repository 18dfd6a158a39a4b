/** What a connection is made by: the metadata of a component, or the flags of a store. */
export type NatsSettings = {
  /** Addresses: `nats://HOST:PORT`, with TLS `tls://HOST:PORT`, with or without a login. */
  readonly servers: readonly string[];
  readonly token?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly nkeySeed?: string | undefined;
  readonly jwt?: string | undefined;
  /** A file of credentials: its content, or its path. */
  readonly credentials?: string | undefined;
  readonly caCert?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly tlsHandshakeFirst: boolean;
  /** The JetStream domain; `undefined`: that of the server. */
  readonly domain?: string | undefined;
  readonly inboxPrefix: string;
  /** The longest wait for an answer, in milliseconds. */
  readonly timeout: number;
};
