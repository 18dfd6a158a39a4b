import { bool, duration, integer, list, oneOf, string } from "../../metadata/fields.ts";
import { entraFields } from "../../metadata/entra-fields.ts";
import type { Values } from "../../metadata/fields.ts";

const onePipe = "one connection carries all calls, so there is no pool to set up";

/** The metadata of a Redis component, as Dapr names it. */
export const redisFields = {
  redisHost: string({
    description:
      "The server, as host or host:port. With `redisType: cluster` or `failover: true`, several separated by commas.",
    required: true,
    example: "localhost:6379",
  }),
  redisPort: integer({
    description: "The port of each host without a port. Default: 6379.",
    min: 0,
    max: 65_535,
    example: "6379",
  }),
  redisUsername: string({
    description: "The user name, for Redis 6 or newer.",
    example: "shop",
  }),
  redisPassword: string({ description: "The password.", sensitive: true }),
  redisDB: integer({
    description: "The number of the database. A cluster has only 0.",
    default: "0",
    min: 0,
  }),
  redisType: oneOf(["node", "cluster"], {
    description: "A single server, or a cluster.",
    default: "node",
  }),

  enableTLS: bool({ description: "Connect with TLS.", strict: true, default: "false" }),
  insecureSkipTLSVerify: bool({
    description: "Accept any certificate of the server. For tests only.",
    strict: true,
    default: "false",
  }),
  caCert: string({
    description:
      "PEM certificates of the authorities to trust instead of the system's. Dapr has no such field.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientCert: string({
    description: "The client's PEM certificate.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientKey: string({ description: "The PEM key of the client's certificate.", sensitive: true }),

  failover: bool({
    description: "The hosts are sentinels, which name the primary to connect to.",
    strict: true,
    default: "false",
  }),
  sentinelMasterName: string({
    description: "The name of the primary at the sentinels. Required with failover.",
    example: "primary",
  }),
  sentinelUsername: string({ description: "The user name for the sentinels." }),
  sentinelPassword: string({
    description: "The password for the sentinels.",
    sensitive: true,
  }),

  redisMaxRetries: integer({
    description:
      "How often a call without an effect, or an idempotent call, is retried; -1: never.",
    default: "3",
    min: -1,
  }),
  redisMinRetryInterval: duration({
    description: "The first pause between attempts, doubled for each further one; -1: none.",
    bare: "ms",
    default: "8ms",
  }),
  redisMaxRetryInterval: duration({
    description: "The longest pause between attempts; -1: none.",
    bare: "ms",
    default: "512ms",
  }),
  dialTimeout: duration({
    description: "Maximum duration of a connection attempt; 0: 5s.",
    bare: "ms",
    default: "5s",
  }),
  readTimeout: duration({
    description: "Maximum time to wait for an answer of the server; 0: 3s, -1: no limit.",
    bare: "ms",
    default: "3s",
  }),
  writeTimeout: duration({
    description: "Accepted for compatibility with Dapr; has no effect.",
    bare: "ms",
    deprecated: "use readTimeout, which limits writing too",
  }),
  poolSize: integer({
    description: "Accepted for compatibility with Dapr; has no effect.",
    deprecated: onePipe,
  }),
  minIdleConns: integer({
    description: "Accepted for compatibility with Dapr; has no effect.",
    deprecated: onePipe,
  }),
  poolTimeout: duration({
    description: "Accepted for compatibility with Dapr; has no effect.",
    bare: "ms",
    deprecated: onePipe,
  }),
  maxConnAge: duration({
    description: "Accepted for compatibility with Dapr; has no effect.",
    bare: "ms",
    deprecated: onePipe,
  }),
  idleTimeout: duration({
    description: "Accepted for compatibility with Dapr; has no effect.",
    bare: "ms",
    deprecated: onePipe,
  }),
  idleCheckFrequency: duration({
    description: "Accepted for compatibility with Dapr; has no effect.",
    bare: "ms",
    deprecated: onePipe,
  }),

  useEntraID: bool({
    description:
      "Log in with a token of Microsoft Entra ID, as its user (`oid`), to Azure's Redis services, which need `enableTLS` too. Neither `redisUsername` nor `redisPassword` may be set.",
    strict: true,
    default: "false",
    aliases: ["useAzureAD"],
  }),
  ...entraFields,
  useOIDC: bool({
    description:
      "Log in with a token of an OAuth server, requested with a signed assertion (RFC 7523).",
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
    description: "The resource for which to request a token.",
    example: "https://redis.example.com",
  }),
  oidcAudience: string({
    description: "The assertion's audience. Default: the token endpoint.",
    example: "https://id.example.com",
  }),
  oidcScopes: list({
    description: "The scopes to request, separated by commas.",
    default: "openid",
  }),
  oidcKid: string({ description: "The id of the assertion's key.", example: "key-1" }),
  oidcCACert: string({
    description:
      "PEM certificates of the authorities to trust at the token endpoint instead of the system's.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
} as const;

export type RedisMetadata = Values<typeof redisFields>;
