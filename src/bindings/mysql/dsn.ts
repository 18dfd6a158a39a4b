import { BindingError } from "../../errors.ts";
import { parseDuration } from "../../metadata/duration.ts";

/** A data source name, as Go's driver reads it. Durations are milliseconds. */
export type DataSource = {
  readonly user: string;
  readonly password: string;
  /** The server, or its socket's path. */
  readonly address:
    | { readonly host: string; readonly port: number; readonly family: 0 | 4 | 6 }
    | { readonly path: string };
  readonly database: string;
  readonly tls: "false" | "true" | "skip-verify" | "custom";
  /** A server without TLS is spoken to all the same. */
  readonly mayFallBack: boolean;
  /** The IANA name of the zone that times without one are in. */
  readonly zone: string;
  readonly collation: string | undefined;
  /** In bytes; 0: what the server takes. */
  readonly maxPacket: number;
  readonly timeout: number | undefined;
  readonly readTimeout: number | undefined;
  readonly allowsCleartextPassword: boolean;
  readonly countsFoundRows: boolean;
  readonly namesTables: boolean;
  readonly isMultiple: boolean;
  readonly rejectsReadOnly: boolean;
  /** What the server is told of the client. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Variables of the session, each with its text as it stands in a SET. */
  readonly variables: ReadonlyMap<string, string>;
};

const defaultMaxPacket = 64 * 1024 * 1024;

/** Parameters that are read and change nothing here. */
const ignored = new Set([
  ...["allowNativePasswords", "allowOldPasswords", "allowFallbackToPlaintext"],
  ...["checkConnLiveness", "interpolateParams", "parseTime"],
]);

/** Reads `[user[:password]@][net[(address)]]/database[?parameters]`. Throws a `BindingError` that quotes nothing of it. */
export function parseDataSource(text: string): DataSource {
  if (text.includes("\0")) throw illegal("it has a NUL character in it");
  // A password and an address may have a slash in them: the last one counts.
  const slash = text.lastIndexOf("/");
  if (slash === -1) throw illegal("there is no / before the name of the database");
  const [left, right] = [text.slice(0, slash), text.slice(slash + 1)];
  const at = left.lastIndexOf("@");
  const [user = "", password = ""] = at === -1 ? [] : cut(left.slice(0, at), ":");
  const question = right.indexOf("?");
  const database = question === -1 ? right : right.slice(0, question);
  const parameters = new Map<string, string>();
  for (const pair of question === -1 ? [] : right.slice(question + 1).split("&")) {
    const [name, value] = cut(pair, "=");
    if (name !== undefined && value !== undefined) parameters.set(name, value);
  }
  return {
    ...{ user, password, database: decoded(database, "the name of the database") },
    address: addressOf(left.slice(at + 1)),
    ...options(parameters),
  };
}

function addressOf(text: string): DataSource["address"] {
  const open = text.indexOf("(");
  if (open !== -1 && !text.endsWith(")"))
    throw illegal("there is no ) after the address; a parameter's value must be percent-encoded");
  const network = (open === -1 ? text : text.slice(0, open)) || "tcp";
  const address = open === -1 ? "" : text.slice(open + 1, -1);
  if (network === "unix") return { path: address || "/tmp/mysql.sock" };
  if (!["tcp", "tcp4", "tcp6"].includes(network))
    throw illegal("the network must be tcp, tcp4, tcp6 or unix");
  const family = network === "tcp4" ? 4 : network === "tcp6" ? 6 : 0;
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d+))?$/.exec(address || "127.0.0.1:3306");
  // As in Go, an address of the sixth version without brackets has no port.
  const [host, port] =
    match === null ? [address, "3306"] : [match[1] ?? match[2] ?? "", match[3] ?? "3306"];
  if (Number(port) > 65_535) throw illegal("the port is no number up to 65535");
  return { host: host || "localhost", port: Number(port), family };
}

type Options = Omit<DataSource, "user" | "password" | "address" | "database">;

function options(parameters: ReadonlyMap<string, string>): Options {
  const variables = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (name === "compress" || name === "strict")
      throw illegal(`the parameter ${name} is not supported`);
    if (name === "serverPubKey") throw illegal("serverPubKey names a key that is not there");
    if (ignored.has(name)) flag(parameters, name);
    else if (!known.has(name)) variables.set(variableName(name), decoded(value, name));
  }
  const charsets = decoded(parameters.get("charset") ?? "utf8mb4", "charset").split(",");
  if (!charsets.every((one) => /^utf8(mb[34])?$/i.test(one)))
    throw illegal("charset must be utf8mb4: texts are UTF-8 here");
  const collation = parameters.get("collation");
  if (collation !== undefined && !/^\w+$/.test(collation)) throw illegal("collation is no name");
  const tls = parameters.get("tls") ?? "";
  return {
    tls: tlsMode(tls),
    mayFallBack: tls.toLowerCase() === "preferred" || flag(parameters, "allowFallbackToPlaintext"),
    zone: zone(decoded(parameters.get("loc") ?? "UTC", "loc")),
    collation,
    maxPacket: maxPacket(parameters.get("maxAllowedPacket")),
    timeout: milliseconds(parameters, "timeout"),
    readTimeout: milliseconds(parameters, "readTimeout"),
    allowsCleartextPassword: flag(parameters, "allowCleartextPasswords"),
    countsFoundRows: flag(parameters, "clientFoundRows"),
    namesTables: flag(parameters, "columnsWithAlias"),
    isMultiple: flag(parameters, "multiStatements"),
    rejectsReadOnly: flag(parameters, "rejectReadOnly"),
    attributes: attributes(decoded(parameters.get("connectionAttributes") ?? "", "the attributes")),
    variables,
  };
}

const known = new Set([
  ...["charset", "collation", "tls", "loc", "maxAllowedPacket", "timeout", "readTimeout"],
  ...["writeTimeout", "timeTruncate", "connectionAttributes", "allowAllFiles"],
  ...["allowCleartextPasswords", "clientFoundRows", "columnsWithAlias", "multiStatements"],
  ...["rejectReadOnly", ...ignored],
]);

function tlsMode(value: string): DataSource["tls"] {
  const is = boolean(value);
  if (value === "" || is === false) return "false";
  if (is === true) return "true";
  if (["skip-verify", "preferred"].includes(value.toLowerCase())) return "skip-verify";
  if (value === "custom") return "custom";
  throw illegal("tls must be true, false, skip-verify, preferred, or custom with pemPath");
}

function zone(name: string): string {
  if (name === "" || name === "UTC") return "UTC";
  if (name === "Local") return Intl.DateTimeFormat().resolvedOptions().timeZone;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    throw illegal("loc is no time zone that is known here");
  }
}

/** `name:value,name:value`. */
function attributes(text: string): Record<string, string> {
  const pairs = text.split(",").map((pair) => cut(pair, ":"));
  return Object.fromEntries(
    pairs.flatMap(([name, value]) => (name === "" || value === undefined ? [] : [[name, value]])),
  );
}

function maxPacket(value: string | undefined): number {
  if (value === undefined) return defaultMaxPacket;
  if (!/^\d{1,15}$/.test(value)) throw illegal("maxAllowedPacket is no number of bytes");
  return Number(value);
}

function milliseconds(parameters: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = parameters.get(name);
  if (value === undefined) return undefined;
  const parsed = /^\d+$/.test(value) && value !== "0" ? undefined : parseDuration(value, 1);
  if (parsed === undefined || parsed < 0) throw illegal(`${name} is no duration such as 5s`);
  return parsed === 0 ? undefined : parsed;
}

function flag(parameters: ReadonlyMap<string, string>, name: string): boolean {
  const value = parameters.get(name);
  if (value === undefined) return false;
  const is = boolean(value);
  if (is === undefined) throw illegal(`${name} must be true or false`);
  return is;
}

/** Go's driver knows these words alone. */
function boolean(value: string): boolean | undefined {
  if (["1", "true", "TRUE", "True"].includes(value)) return true;
  return ["0", "false", "FALSE", "False"].includes(value) ? false : undefined;
}

/** A name goes into a SET as it is. */
function variableName(name: string): string {
  if (/^(@@)?[\w.]+$/.test(name)) return name;
  throw illegal("a parameter's name has characters in it that no variable has");
}

function cut(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length)];
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(what.startsWith("the ") ? text : text.replaceAll("+", " "));
  } catch {
    throw illegal(`a % in ${what} is not followed by two hexadecimal digits`);
  }
}

function illegal(why: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `illegal Data Source Name (DSN) specified by url: ${why}`,
  );
}
