import { rm } from "node:fs/promises";
import { METHODS } from "node:http";
import {
  connect,
  createServer as createNetServer,
  type ListenOptions,
  type Server,
  type Socket,
} from "node:net";
import { isMainThread } from "node:worker_threads";
import { listenFailure, type ListenPlace } from "./listen-failure.ts";

export type Address = ListenPlace & {
  /** What metrics and the log call the memory of it, which addresses of one name share. Default: `http`. */
  readonly listener?: string;
  /** The permissions of a socket, from the moment on that it is there. Default: what the process gives new files. */
  readonly mode?: number;
  /** Others of this process listen there too, and the system spreads the connections. Default: nobody else does. */
  readonly isShared?: boolean;
};

/** What serves the connections of a port. `first`: what was read from one already. */
export type Protocols = {
  acceptHttp1(socket: Socket, first?: Buffer): void;
  acceptHttp2(socket: Socket, first?: Buffer): void;
  /** Connections of which it is not known yet what they speak. */
  readonly unidentified: Set<Socket>;
};

const prefaceStart = Buffer.from("PRI ");
/** Notices peers that are gone without a word, on connections that may be idle for ever. */
export const tcpKeepAlive = { keepAlive: true, keepAliveInitialDelay: 30_000 } as const;
/** A connection that says nothing for this long is closed, in milliseconds. */
export const silence = 10_000;

/**
 * Listens for cleartext HTTP/1.1 and HTTP/2 by prior knowledge on one address. The first four bytes
 * tell which: HTTP/2's preface begins with `PRI `, which is no HTTP/1.1 method in use.
 */
export async function listen(address: Address, protocols: Protocols): Promise<Server> {
  const server = createNetServer({ noDelay: true, ...tcpKeepAlive }, (socket) =>
    tellApart(socket, protocols),
  );
  await bind(server, address);
  return server;
}

/** Binds a server, with an error that says what to do when that fails. */
export async function bind(server: Server, address: Address): Promise<void> {
  const where =
    "socket" in address
      ? { path: address.socket }
      : {
          ...{ host: address.host, port: address.port },
          ...(address.isShared && { reusePort: true }),
        };
  try {
    try {
      await listenOn(server, where, address.mode);
    } catch (error) {
      if (!("socket" in address && isInUse(error) && (await isAbandoned(address.socket))))
        throw error;
      await rm(address.socket, { force: true });
      await listenOn(server, where, address.mode);
    }
  } catch (error) {
    throw listenFailure(address, error);
  }
}

async function listenOn(server: Server, where: ListenOptions, mode?: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  // The file is made before `listen` returns; only the process's own thread can say how.
  const before = mode === undefined || !isMainThread ? undefined : process.umask(0o777 & ~mode);
  server.listen(where, resolve);
  if (before !== undefined) process.umask(before);
  try {
    await promise;
  } finally {
    server.off("error", reject);
    server.off("listening", resolve);
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

/** Whether a socket's file was left by a process that is no more: nobody takes a connection. */
function isAbandoned(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error) => resolve("code" in error && error.code === "ECONNREFUSED"));
  });
}

const methodStarts = new Set(METHODS.map((method) => `${method} `.slice(0, prefaceStart.length)));

/**
 * Whether it begins like a method that is none. What speaks neither protocol, such as a broken preface of HTTP/2, gets no
 * answer of HTTP/1.1, which it would take for another protocol's.
 */
function isUnknownMethod(seen: Buffer): boolean {
  const start = seen.toString("latin1", 0, prefaceStart.length);
  return /^[A-Z]{4}$/.test(start) && !methodStarts.has(start);
}

function tellApart(socket: Socket, protocols: Protocols): void {
  const { unidentified } = protocols;
  unidentified.add(socket);
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), silence);
  const forget = (): void => {
    clearTimeout(timer);
    unidentified.delete(socket);
    socket.off("data", read);
    for (const event of ["end", "error", "close"]) socket.off(event, gone);
  };
  const gone = (): void => {
    forget();
    socket.destroy();
  };
  const read = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const known = Math.min(seen.length, prefaceStart.length);
    const maybeHttp2 = seen.subarray(0, known).equals(prefaceStart.subarray(0, known));
    if (maybeHttp2 && known < prefaceStart.length) return;
    forget();
    if (isUnknownMethod(seen)) socket.destroy();
    else if (maybeHttp2) protocols.acceptHttp2(socket, seen);
    else protocols.acceptHttp1(socket, seen);
  };
  socket.on("data", read);
  for (const event of ["end", "error", "close"]) socket.on(event, gone);
}
