import { awsKeyFields } from "../../metadata/aws-key-fields.ts";
import { entraFields } from "../../metadata/entra-fields.ts";
import { bool, duration, integer, list, oneOf, string } from "../../metadata/fields.ts";
import type { Field, Values } from "../../metadata/fields.ts";

const execModes = [
  "cache_statement",
  "cache_describe",
  "describe_exec",
  "exec",
  "simple_protocol",
] as const;

const execMode = oneOf(execModes, {
  description:
    "How statements are sent. With `cache_statement` the server keeps them for each connection; the other modes parse each anew, which some poolers need; `simple_protocol` sends a query without parameters as plain text.",
  default: "cache_statement",
});

/** A field for names, of which `problemOf` says what is wrong. */
function named<Value extends string | readonly string[], Present extends boolean>(
  field: Field<Value, Present>,
  problemOf: (name: string) => string | undefined,
): Field<Value, Present> {
  return {
    ...field,
    parse(text) {
      const parsed = field.parse(text);
      if ("problem" in parsed) return parsed;
      const names: readonly string[] = [parsed.value].flat();
      const problem = names.map(problemOf).find((one) => one !== undefined);
      return problem === undefined ? parsed : { problem };
    },
  };
}

/** The server cuts longer names, and reads by what is left of them. */
function notIdentifier(name: string): string | undefined {
  if (name.includes("\0")) return "has a NUL character in a name";
  return Buffer.byteLength(name) > 63 ? "has a name of more than 63 bytes" : undefined;
}

/** The metadata of a PostgreSQL component, as Dapr names it. */
export const postgresFields = {
  connectionString: string({
    description:
      "A URL (`postgres://user:password@host:5432/database`) or words as libpq reads them (`host=… user=…`). The fields below go before it.",
    aliases: ["url"],
    sensitive: true,
    example: "host=localhost user=shop password=secret port=5432 dbname=shop sslmode=verify-full",
  }),
  host: string({
    description: "The server's name or address, or the folder of its socket.",
    example: "localhost",
  }),
  hostaddr: string({
    description: "The address to connect to. The certificate is still checked against host.",
    example: "10.0.0.5",
  }),
  port: string({ description: "The server's port. Default 5432.", example: "5432" }),
  database: string({
    description: "The database. Default: the user's name.",
    example: "shop",
  }),
  user: string({ description: "The user to log in as.", example: "shop" }),
  password: string({ description: "The password to log in with.", sensitive: true }),
  sslRootCert: string({
    description:
      "PEM certificates of the authorities to trust in place of the system's, or the file that has them.",
    example: "/etc/tls/ca.pem",
  }),
  timeout: duration({
    description:
      "How long a new connection may take, and how long a call waits for a free one. At least 1s.",
    default: "20s",
    aliases: ["timeoutInSeconds"],
  }),
  maxConns: integer({
    description:
      "The most connections. Up to 1: the number of processors, and at least 4. More calls at one time wait.",
    default: "0",
  }),
  connectionMaxIdleTime: duration({
    description: "How long an unused connection is kept; 0: 30m.",
    default: "0s",
  }),
  queryExecMode: {
    ...execMode,
    parse: (text: string) => (text === "" ? { value: execModes[0] } : execMode.parse(text)),
  },

  mode: oneOf(["changes", "listen"], {
    description:
      "What to read: the changes of rows, by logical replication, or the notifications of channels (LISTEN), which are lossy.",
    direction: "input",
    default: "changes",
  }),
  publications: named(
    list({
      description:
        "The publications whose tables' changes are read, separated by commas, in upper and lower case as they were created. Required for `mode: changes`.",
      direction: "input",
      example: "shop",
    }),
    notIdentifier,
  ),
  slot: named(
    string({
      description:
        "The replication slot to read by. It is made when it is first read and kept; the server keeps its log for it until it is dropped. Required for `mode: changes`.",
      direction: "input",
      example: "cufflink_shop",
    }),
    (name) =>
      name === "" || /^[a-z0-9_]{1,63}$/.test(name)
        ? undefined
        : "has to be of 1 to 63 lower-case letters, digits and underscores",
  ),
  channels: named(
    list({
      description:
        "The channels to listen to, separated by commas, in upper and lower case as `pg_notify` names them. Required for `mode: listen`.",
      direction: "input",
      example: "orders,returns",
    }),
    notIdentifier,
  ),

  useAzureAD: bool({
    description:
      "Log in with tokens of Microsoft Entra ID in place of a password, to Azure Database for PostgreSQL. The user is the name that the server has for the identity.",
    default: "false",
  }),
  ...entraFields,
  useAWSIAM: bool({
    description:
      "Log in with tokens of AWS IAM in place of a password, to RDS and Aurora. Needs `region`, and the host by which AWS knows the database.",
    default: "false",
  }),
  region: string({
    description:
      "The AWS region of the database, for useAWSIAM. Default: the environment's, or the profile's.",
    aliases: ["awsRegion"],
    example: "eu-west-1",
  }),
  ...awsKeyFields,
  assumeRoleArn: string({
    description: "The AWS role to assume before signing.",
    example: "arn:aws:iam::123456789012:role/shop",
  }),
  sessionName: string({
    description: "The session's name while a role is assumed.",
    default: "DaprDefaultSession",
  }),
} as const;

export type PostgresMetadata = Values<typeof postgresFields>;

/** What `exec` and `query` read of a request's metadata. */
export const statementFields = {
  sql: string({
    description: "The statement. Required.",
    example: "SELECT name FROM orders WHERE id = $1",
  }),
  params: string({
    description: "The parameters: a JSON array for `$1`, `$2` …, or a JSON object for `@name`.",
    example: '[17, "open"]',
  }),
  readOnly: bool({
    description:
      "Runs the statement in a read-only transaction. Only such a call is repeated when its connection breaks. Dapr has no such field.",
    strict: true,
    default: "false",
  }),
} as const;
