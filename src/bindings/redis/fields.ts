import { bool, duration, integer, list, oneOf, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

const onePipe = "one connection carries all calls, so there is no pool to set up";

/** The metadata of a Redis component, as Dapr names it. */
export const redisFields = {
  redisHost: string({
    description:
      "The server, as host or host:port. With `redisType: cluster` or `failover: true` several, separated by commas.",
    required: true,
    example: "localhost:6379",
  }),
  redisPort: integer({
    description: "The port of each host that is written without one. Default 6379.",
    min: 0,
    max: 65_535,
    example: "6379",
  }),
  redisUsername: string({
    description: "The user to log in as, of Redis 6 or newer.",
    example: "shop",
  }),
  redisPassword: string({ description: "The password to log in with.", sensitive: true }),
  redisDB: integer({
    description: "The number of the database. A cluster has 0 only.",
    default: "0",
    min: 0,
  }),
  redisType: oneOf(["node", "cluster"], {
    description: "A single server, or a cluster.",
    default: "node",
  }),

  enableTLS: bool({ description: "Connect by TLS.", strict: true, default: "false" }),
  insecureSkipTLSVerify: bool({
    description: "Accept any certificate of the server. For tests only.",
    strict: true,
    default: "false",
  }),
  caCert: string({
    description:
      "PEM certificates of the authorities to trust in place of the system's. Dapr has no such field.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientCert: string({
    description: "The client's PEM certificate.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientKey: string({ description: "The PEM key of the client's certificate.", sensitive: true }),

  failover: bool({
    description: "The hosts are sentinels; connect to the primary that they name.",
    strict: true,
    default: "false",
  }),
  sentinelMasterName: string({
    description: "What the sentinels call the primary. Required by failover.",
    example: "primary",
  }),
  sentinelUsername: string({ description: "The user to log in to the sentinels as." }),
  sentinelPassword: string({
    description: "The password to log in to the sentinels with.",
    sensitive: true,
  }),

  redisMaxRetries: integer({
    description:
      "How often a call that had no effect, or may be repeated, is tried again; -1: never.",
    default: "3",
    min: -1,
  }),
  redisMinRetryInterval: duration({
    description: "The first pause between tries, doubled for each further; -1: none.",
    bare: "ms",
    default: "8ms",
  }),
  redisMaxRetryInterval: duration({
    description: "The longest pause between tries; -1: none.",
    bare: "ms",
    default: "512ms",
  }),
  dialTimeout: duration({
    description: "How long connecting may take; 0: 5s.",
    bare: "ms",
    default: "5s",
  }),
  readTimeout: duration({
    description:
      "How long the server may be silent while it owes an answer; 0: 3s, -1: without end.",
    bare: "ms",
    default: "3s",
  }),
  writeTimeout: duration({
    description: "Read for Dapr's sake: readTimeout bounds writing too.",
    bare: "ms",
    deprecated: "say readTimeout, which bounds writing too",
  }),
  poolSize: integer({ description: "Read for Dapr's sake and not used.", deprecated: onePipe }),
  minIdleConns: integer({ description: "Read for Dapr's sake and not used.", deprecated: onePipe }),
  poolTimeout: duration({
    description: "Read for Dapr's sake and not used.",
    bare: "ms",
    deprecated: onePipe,
  }),
  maxConnAge: duration({
    description: "Read for Dapr's sake and not used.",
    bare: "ms",
    deprecated: onePipe,
  }),
  idleTimeout: duration({
    description: "Read for Dapr's sake and not used.",
    bare: "ms",
    deprecated: onePipe,
  }),
  idleCheckFrequency: duration({
    description: "Read for Dapr's sake and not used.",
    bare: "ms",
    deprecated: onePipe,
  }),

  useEntraID: bool({
    description:
      "Log in by Microsoft Entra ID. Not supported yet: a component that asks for it does not start.",
    strict: true,
    default: "false",
    aliases: ["useAzureAD"],
  }),
  useOIDC: bool({
    description:
      "Log in with a token of an OAuth server, which is asked by a signed assertion (RFC 7523).",
    strict: true,
    default: "false",
  }),
  oidcTokenEndpoint: string({
    description: "The URL that issues tokens.",
    example: "https://id.example.com/oauth2/token",
  }),
  oidcClientID: string({ description: "The OAuth client's id.", example: "shop" }),
  oidcClientAssertionCert: string({
    description: "The PEM certificate of the assertion's key.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  oidcClientAssertionKey: string({
    description: "The PEM key that signs the assertion.",
    sensitive: true,
  }),
  oidcResource: string({
    description: "The resource to ask a token for.",
    example: "https://redis.example.com",
  }),
  oidcAudience: string({
    description: "The assertion's audience. Default: the token endpoint.",
    example: "https://id.example.com",
  }),
  oidcScopes: list({
    description: "The scopes to ask for, separated by commas.",
    default: "openid",
  }),
  oidcKid: string({ description: "The id of the assertion's key.", example: "key-1" }),
  oidcCACert: string({
    description:
      "PEM certificates of the authorities to trust at the token endpoint in place of the system's.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
} as const;

export type RedisMetadata = Values<typeof redisFields>;

const key = string({ description: "The key. Required.", example: "order-42" });

/** What each operation reads of a request's metadata. */
export const keyFields = { key } as const;

export const getFields = {
  key,
  delete: string({ description: "`true`: the key is deleted as it is read.", example: "true" }),
} as const;

export const expiringFields = {
  key,
  ttl: string({
    description:
      "How long the key stays, as a duration or in seconds; 0 deletes it at once. Default: for good.",
    example: "1h30m",
  }),
  ttlInSeconds: string({ description: "The same as ttl, which wins.", example: "60" }),
} as const;
