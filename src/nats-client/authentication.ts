import { BindingError } from "../errors.ts";
import { readRegularFile, UnreadableFile } from "../regular-file.ts";
import { tlsMaterial } from "../tls/pem.ts";
import type { Authenticator, ConnectionOptions } from "@nats-io/transport-node";
import type { Driver } from "./driver.ts";
import type { NatsSettings } from "./settings.ts";

type Login = Pick<ConnectionOptions, "authenticator" | "token" | "user" | "pass">;

/** A larger file holds no credentials. */
const largestFile = 1024 * 1024;

/** The servers as the driver wants them, and what one of their addresses logs in with. */
export function serversOf(texts: readonly string[]): {
  readonly servers: string[];
  readonly login: Login;
  readonly useTls: boolean;
} {
  const servers: string[] = [];
  let login: Login = {};
  let useTls = false;
  for (const text of texts) {
    const { isTls, host, user, password } = addressOf(text);
    useTls ||= isTls;
    servers.push(host);
    if (user !== "") login = password === "" ? { token: user } : { user, pass: password };
  }
  if (servers.length === 0) throw new BindingError("invalid_argument", "servers names no server");
  return { servers, login, useTls };
}

/** The text is not quoted: it may hold a password. */
function addressOf(text: string): {
  readonly isTls: boolean;
  readonly host: string;
  readonly user: string;
  readonly password: string;
} {
  const [, scheme = "nats", rest = ""] = /^(?:([a-z]+):\/\/)?(.*)$/is.exec(text) ?? [];
  // Of a scheme that it knows the class reads hosts and ports strictly, and this one's port is nobody's here.
  const url = URL.parse(`ftp://${rest}`);
  const isKnown = /^(nats|tls)$/i.test(scheme);
  if (url === null || !isKnown || url.hostname === "" || !/^\/?$/.test(url.pathname)) {
    throw new BindingError(
      "invalid_argument",
      "servers has an address that is no nats://HOST:PORT or tls://HOST:PORT",
    );
  }
  return {
    isTls: scheme.toLowerCase() === "tls",
    host: `${url.hostname}:${url.port || "4222"}`,
    user: decoded(url.username),
    password: decoded(url.password),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * How to log in, by what the metadata has, of which there may be one way only. `hide` is told what must not be shown
 * beside the metadata's own values: a signature, and a JWT that a file has.
 */
export async function loginOf(
  driver: Driver,
  metadata: NatsSettings,
  hide?: (secret: string) => void,
): Promise<Login> {
  const login = await chosenLogin(driver, metadata);
  const { authenticator } = login;
  if (typeof authenticator !== "function") return login;
  return {
    authenticator: (nonce) => {
      const proof = authenticator(nonce);
      for (const [name, text] of Object.entries(proof ?? {}))
        if (name === "sig" || name === "jwt") hide?.(text);
      return proof;
    },
  };
}

async function chosenLogin(driver: Driver, metadata: NatsSettings): Promise<Login> {
  const { token, user, password, nkeySeed, jwt, credentials } = metadata;
  const ways = [
    ...(token ? ["token"] : []),
    ...(user || password ? ["user and password"] : []),
    ...(nkeySeed || jwt ? ["nkeySeed"] : []),
    ...(credentials ? ["credentials"] : []),
  ];
  if (ways.length > 1) {
    throw new BindingError(
      "invalid_argument",
      `the metadata has ${ways.join(" and ")}; give one way to log in`,
    );
  }
  if (token) return { token };
  if (user || password) return { user: user ?? "", pass: password ?? "" };
  if (credentials) return { authenticator: await fromCredentials(driver, credentials) };
  if (!nkeySeed && !jwt) return {};
  const seed = nkeySeed ? Buffer.from(nkeySeed.trim()) : undefined;
  const authenticator = jwt
    ? driver.jwtAuthenticator(jwt.trim(), seed)
    : driver.nkeyAuthenticator(seed);
  return { authenticator: proved(authenticator, "nkeySeed is no seed of an NKey") };
}

async function fromCredentials(driver: Driver, text: string): Promise<Authenticator> {
  const content = text.includes("-----BEGIN") ? Buffer.from(text) : await fileOf(text);
  const problem = "credentials is no file with a user's JWT and seed, and no content of one";
  return proved(driver.credsAuthenticator(content), problem);
}

/** The driver signs on its way, and says nothing that can be understood where it cannot. */
function proved(authenticator: Authenticator, problem: string): Authenticator {
  try {
    authenticator("nonce");
  } catch {
    // What it says may quote the secret.
    throw new BindingError("invalid_argument", problem);
  }
  return authenticator;
}

async function fileOf(path: string): Promise<Buffer> {
  try {
    return await readRegularFile(path, { largest: largestFile });
  } catch (error) {
    // The value is not told: it may be a secret that was not pasted whole.
    const why = error instanceof UnreadableFile ? `: ${error.code ?? error.message}` : "";
    throw new BindingError("invalid_argument", `credentials names no file that can be read${why}`);
  }
}

/** The options for TLS; `undefined`: the server decides. */
export function tlsOf(metadata: NatsSettings, useTls: boolean): ConnectionOptions["tls"] {
  const material = tlsMaterial(metadata);
  const handshakeFirst = metadata.tlsHandshakeFirst;
  const isAsked = useTls || handshakeFirst || Object.keys(material).length > 0;
  return isAsked ? { ...material, ...(handshakeFirst ? { handshakeFirst } : {}) } : undefined;
}
