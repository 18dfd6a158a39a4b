import { bool, duration, list, oneOf, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

const noPool = "one connection reads";

/** What a component's metadata can say. Dapr writes names of several words with underscores, too. */
export const rethinkdbFields = {
  address: string({
    description: "The server. `addresses` takes precedence.",
    example: "rethinkdb:28015",
  }),
  addresses: list({
    description: "The servers, tried in turn.",
    example: "rethinkdb-1:28015,rethinkdb-2:28015",
  }),
  database: string({ description: "The database.", required: true, example: "shop" }),
  table: string({
    description: "The table whose changes are read.",
    required: true,
    example: "orders",
  }),
  primaryKey: string({
    description: "The table's primary key. Changes of one row are handled in order by it.",
    default: "id",
  }),
  username: string({ description: "The user.", default: "admin" }),
  password: string({ description: "The user's password.", sensitive: true }),
  authKey: string({
    description: "The key of servers before 2.3, which have no users. Not supported.",
    aliases: ["auth_key"],
    sensitive: true,
    deprecated: "use username and password; RethinkDB 2.3 and newer take them",
  }),
  timeout: duration({
    description: "The longest time that connecting may take.",
    default: "20s",
    positive: true,
  }),
  enableTLS: bool({
    description: "Use TLS. With clientCert and clientKey it is used in any case.",
    aliases: ["enable_tls"],
    default: "false",
  }),
  caCert: string({
    description: "The PEM certificates of the authorities to trust, or a file of them.",
    aliases: ["ca_cert"],
  }),
  clientCert: string({
    description: "The client's PEM certificate, or a file of it.",
    aliases: ["client_cert"],
  }),
  clientKey: string({
    description: "The key of the client's certificate, in PEM, or a file of it.",
    aliases: ["client_key"],
    sensitive: true,
  }),
  keepAlivePeriod: duration({
    description: "Accepted; TCP's keep-alive is on.",
    aliases: ["keep_alive_period"],
    deprecated: "remove it",
  }),
  handshakeVersion: oneOf(["1", "2", "1.0", "0.4"], {
    description: "Accepted; the protocol is always V1_0.",
    aliases: ["handshake_version"],
    deprecated: "remove it",
  }),
  ...unused("writeTimeout", "write_timeout", "nothing but the query is written"),
  ...unused(
    "readTimeout",
    "read_timeout",
    "a feed waits for its next change for as long as it takes",
  ),
  ...unused("maxIdle", "max_idle", noPool),
  ...unused("initialCap", "initial_cap", noPool),
  ...unused("maxOpen", "max_open", noPool),
  ...unused("discoverHosts", "discover_hosts", "name all servers in addresses"),
  ...unused("nodeRefreshInterval", "node_refresh_interval", "name all servers in addresses"),
  ...unused("useJSONNumber", "use_json_number", "numbers keep their digits"),
  ...unused("numRetries", "num_retries", "the runtime reconnects"),
  ...unused("hostDecayDuration", "host_decay_duration", "servers are tried in turn"),
  ...unused("useOpentracing", "use_opentracing", "traces are the runtime's"),
} as const;

export type RethinkdbMetadata = Values<typeof rethinkdbFields>;

/** A field of Dapr's that says nothing here. */
function unused<const Name extends string>(name: Name, alias: string, why: string) {
  const field = string({
    description: `Accepted; has no effect: ${why}.`,
    aliases: [alias],
    deprecated: "remove it",
  });
  return { [name]: field } as { [Key in Name]: typeof field };
}
