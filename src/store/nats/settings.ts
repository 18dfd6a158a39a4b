import { BindingError, messageOf } from "../../errors.ts";
import { serversOf } from "../../nats-client/authentication.ts";
import type { NatsSettings } from "../../nats-client/settings.ts";
import { readRegularFile } from "../../regular-file.ts";
import { pemOrFile } from "../../tls/pem.ts";

/** What the environment, or a file of credentials, may say. */
const variables = {
  CUFFLINK_STORE_USER: "user",
  CUFFLINK_STORE_PASSWORD: "password",
  CUFFLINK_STORE_TOKEN: "token",
  CUFFLINK_STORE_NKEY_SEED: "nkeySeed",
  CUFFLINK_STORE_CREDENTIALS: "credentials",
  CUFFLINK_STORE_CA_CERT: "caCert",
  CUFFLINK_STORE_CLIENT_CERT: "clientCert",
  CUFFLINK_STORE_CLIENT_KEY: "clientKey",
  CUFFLINK_STORE_DOMAIN: "domain",
  CUFFLINK_STORE_INBOX_PREFIX: "inboxPrefix",
} as const;

type Variable = keyof typeof variables;

/** The longest wait for an answer, in milliseconds. */
const timeout = 5_000;
/** A larger file holds no credentials. */
const largestFile = 1024 * 1024;

/**
 * How to connect: by the addresses, a file of credentials and the environment, of which the file counts for more. The file
 * has a user's JWT and seed as `nsc` writes them, the seed of an NKey, or lines `NAME=value` with the names of the
 * environment. Rejects with a `BindingError` that quotes nothing of it.
 */
export async function readNatsSettings(
  servers: readonly string[],
  credentialsFile: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<NatsSettings> {
  const values: Record<string, string> = {};
  for (const [name, key] of Object.entries(variables)) {
    const value = environment[name];
    if (value) values[key] = value;
  }
  if (credentialsFile !== undefined) {
    const said = credentialsOf(await contentOf(credentialsFile), credentialsFile);
    const isLogin = (key: string): boolean => logins.some((keys) => keys.includes(key));
    // What the file has to log in with is instead of what the environment has.
    if (Object.keys(said).some(isLogin))
      for (const key of Object.keys(values)) if (isLogin(key)) delete values[key];
    Object.assign(values, said);
  }
  const ways = logins.filter((keys) => keys.some((key) => values[key] !== undefined));
  if (ways.length > 1) {
    throw wrong(
      `there are ${ways.map((keys) => keys.join(" and ")).join(", and ")}; give one way to log in`,
    );
  }
  serversOf(servers);
  const { caCert, clientCert, clientKey, inboxPrefix = "_INBOX", ...rest } = values;
  const pem = async (name: Variable, value: string | undefined) =>
    value === undefined ? {} : { [variables[name]]: await pemOrFile(name, value) };
  return {
    ...{ servers, timeout, tlsHandshakeFirst: false, inboxPrefix },
    ...rest,
    ...(await pem("CUFFLINK_STORE_CA_CERT", caCert)),
    ...(await pem("CUFFLINK_STORE_CLIENT_CERT", clientCert)),
    ...(await pem("CUFFLINK_STORE_CLIENT_KEY", clientKey)),
  };
}

/** What belongs together to one way to log in. */
const logins: readonly (readonly string[])[] = [
  ["token"],
  ["user", "password"],
  ["nkeySeed"],
  ["credentials"],
];

function credentialsOf(text: string, path: string): Record<string, string> {
  if (text.includes("-----BEGIN NATS USER JWT")) return { credentials: text };
  if (/^\s*SU[A-Z2-7]{40,}\s*$/.test(text)) return { nkeySeed: text.trim() };
  const values: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name = "", value = ""] = /^\s*([A-Z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const key = (variables as Readonly<Record<string, string>>)[name];
    if (key === undefined) {
      throw wrong(
        `line ${index + 1} of ${path} is no NAME=value with one of ${Object.keys(variables).join(", ")}`,
      );
    }
    values[key] = /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;
  }
  return values;
}

async function contentOf(path: string): Promise<string> {
  try {
    return (await readRegularFile(path, { largest: largestFile })).toString("utf8");
  } catch (error) {
    throw wrong(`the file of credentials ${path} cannot be read: ${messageOf(error)}`);
  }
}

function wrong(text: string): BindingError {
  return new BindingError("invalid_argument", `the store on NATS: ${text}`, { effect: "unsent" });
}
