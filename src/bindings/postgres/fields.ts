import { bool, duration, integer, oneOf, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

const execModes = [
  "cache_statement",
  "cache_describe",
  "describe_exec",
  "exec",
  "simple_protocol",
] as const;

const execMode = oneOf(execModes, {
  description:
    "How statements are sent. Each is parsed anew, so that all modes work behind a pooler; `simple_protocol` sends a query without parameters as plain text.",
  default: "cache_statement",
});

const refused = "Not supported yet: a component that asks for it does not start.";
const unused = "Read for Dapr's sake, with useAWSIAM.";

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

  useAzureAD: bool({ description: `Log in by Microsoft Entra ID. ${refused}`, default: "false" }),
  useAWSIAM: bool({ description: `Log in by AWS IAM. ${refused}`, default: "false" }),
  region: string({ description: unused, aliases: ["awsRegion"], example: "eu-west-1" }),
  accessKey: string({ description: unused, aliases: ["awsAccessKey"], sensitive: true }),
  secretKey: string({ description: unused, aliases: ["awsSecretKey"], sensitive: true }),
  sessionToken: string({ description: unused, aliases: ["awsSessionToken"], sensitive: true }),
  assumeRoleArn: string({ description: unused, example: "arn:aws:iam::1:role/shop" }),
  sessionName: string({ description: unused, example: "shop" }),
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
