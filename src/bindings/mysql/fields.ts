import { bool, duration, integer, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

/** The metadata of a MySQL component, as Dapr names it. */
export const mysqlFields = {
  url: string({
    description:
      "Where and how to connect, as Go's driver writes it: `user:password@tcp(host:port)/database?parameter=value`.",
    required: true,
    sensitive: true,
    example: "shop:secret@tcp(localhost:3306)/shop?tls=true",
  }),
  pemPath: string({
    description:
      "PEM certificates of the authorities to trust with `tls=custom` in url, or the file that has them.",
    example: "/etc/tls/ca.pem",
  }),
  maxOpenConns: integer({
    description: "The most connections. Up to 0: 20. More calls at one time wait.",
    default: "0",
  }),
  maxIdleConns: integer({
    description: "The most unused connections that are kept. Up to 0: all.",
    default: "0",
  }),
  connMaxLifetime: duration({
    description: "How long a connection is used; 0: without end.",
    default: "0s",
    example: "1h",
  }),
  connMaxIdleTime: duration({
    description: "How long an unused connection is kept; 0: without end.",
    default: "0s",
    example: "5m",
  }),
} as const;

export type MysqlMetadata = Values<typeof mysqlFields>;

/** What `exec` and `query` read of a request's metadata. */
export const statementFields = {
  sql: string({
    description: "The statement. Required.",
    example: "SELECT name FROM orders WHERE id = ?",
  }),
  params: string({
    description:
      "The parameters: a JSON array for each `?`, or a JSON object for `:name`, which Dapr has not.",
    example: '[17, "open"]',
  }),
  readOnly: bool({
    description:
      "Runs the statement in a read-only transaction. Only such a call is repeated when its connection breaks. Dapr has no such field.",
    strict: true,
    default: "false",
  }),
} as const;
