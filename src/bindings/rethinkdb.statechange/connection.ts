import type { Connection, r as queries } from "rethinkdb-ts";
import { abortable } from "../../abortable.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { pemOrFile } from "../../tls/pem.ts";
import type { RethinkdbMetadata } from "./fields.ts";

export type Driver = { readonly r: typeof queries };

const usualPort = 28_015;
/** What the server calls a wrong user or password: error codes 10 to 20 of its handshake. */
const wrongLogin = /wrong password|unknown user/i;
/** What it says to a user who may not do that. */
const isDenied = /not have the required .*permission/i;

/** Connects to the first server that answers. Rejects with a `BindingError` that tells of the last. */
export async function connect(
  { r }: Driver,
  metadata: RethinkdbMetadata,
  signal: AbortSignal,
): Promise<{ connection: Connection; address: string }> {
  const { database, username, password = "", timeout } = metadata;
  const tls = await tlsOf(metadata);
  let failure: unknown;
  for (const address of addressesOf(metadata)) {
    signal.throwIfAborted();
    const { host, port } = partsOf(address);
    // With `server` alone the driver passes host and port on, not TLS.
    const server = tls === undefined ? { host, port } : { host, port, tls: true, ...tls };
    try {
      const connecting = r.connect({
        ...{ server, db: database, user: username, password },
        // In seconds. It writes its errors to the console otherwise.
        ...{ timeout: Math.max(1, timeout / 1000), silent: true },
      });
      return { connection: await unlessAborted(connecting, signal), address };
    } catch (error) {
      failure = error;
    }
  }
  throw failureOf(`connecting to ${addressesOf(metadata).join(", ")}`, failure);
}

/** Throws a `BindingError` for what no server would mend. */
export function checkSettings(metadata: RethinkdbMetadata): void {
  if (metadata.authKey) {
    const text = "authKey is not supported; use username and password";
    throw new BindingError("unimplemented", text);
  }
  for (const address of addressesOf(metadata)) partsOf(address);
}

function addressesOf({ address, addresses }: RethinkdbMetadata): readonly string[] {
  if (addresses !== undefined && addresses.length > 0) return addresses;
  if (address !== undefined && address !== "") return [address];
  throw new BindingError("invalid_argument", "the metadata names no server; give address");
}

function partsOf(address: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) {
    throw new BindingError(
      "invalid_argument",
      `address ${JSON.stringify(address)} is not HOST:PORT`,
    );
  }
  return { host, port: Number(port ?? usualPort) };
}

async function tlsOf(metadata: RethinkdbMetadata): Promise<object | undefined> {
  const { enableTLS, caCert, clientCert, clientKey } = metadata;
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw new BindingError("invalid_argument", "clientCert and clientKey need each other");
  }
  if (!enableTLS && clientCert === undefined) return undefined;
  return {
    ...(caCert && { ca: await pemOrFile("caCert", caCert) }),
    ...(clientCert && { cert: await pemOrFile("clientCert", clientCert) }),
    ...(clientKey && { key: await pemOrFile("clientKey", clientKey) }),
  };
}

const isAbsent = /^(Table|Database) .* does not exist/i;

/** A failure of the driver's, as ours. */
export function failureOf(what: string, error: unknown): BindingError {
  if (error instanceof BindingError) return error;
  // The driver hides what went wrong in the cause.
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const message = messageOf(cause).split("\n", 1).join();
  if (wrongLogin.test(message)) return new BindingError("unauthenticated", `${what}: ${message}`);
  if (isAbsent.test(message)) return new BindingError("not_found", `${what}: ${message}`);
  if (isDenied.test(message)) return new BindingError("permission_denied", `${what}: ${message}`);
  return new BindingError("unavailable", `${what}: ${message}`, { effect: "unsent" });
}

async function unlessAborted(
  connecting: Promise<Connection>,
  signal: AbortSignal,
): Promise<Connection> {
  try {
    return await abortable(
      connecting,
      signal,
      () => new BindingError("unavailable", "it took too long", { effect: "unsent" }),
    );
  } catch (error) {
    connecting.then((connection) => connection.close()).catch(() => undefined);
    throw error;
  }
}
