import type { Server as Http1Server } from "node:http";
import type { Http2Server } from "node:http2";
import { createServer as createNetServer, type Server, type Socket } from "node:net";
import { BindingError, messageOf } from "../errors.ts";

export type Address =
  | { readonly host: string; readonly port: number }
  | { readonly socket: string };

/** The two servers that share a port: which one a connection gets is told by its first bytes. */
export type Protocols = { readonly http1: Http1Server; readonly http2: Http2Server };

const prefaceStart = Buffer.from("PRI ");
/** A connection that says nothing for this long is closed, in milliseconds. */
const silence = 10_000;

/**
 * Listens for cleartext HTTP/1.1 and HTTP/2 by prior knowledge on one address. The first four bytes
 * tell which: HTTP/2's preface begins with `PRI `, which is no HTTP/1.1 method in use.
 */
export async function listen(address: Address, protocols: Protocols): Promise<Server> {
  const server = createNetServer({ noDelay: true }, (socket) => tellApart(socket, protocols));
  await bind(server, address);
  return server;
}

/** Binds a server, with an error that says what to do when that fails. */
export async function bind(server: Server, address: Address): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen("socket" in address ? { path: address.socket } : { ...address }, resolve);
  try {
    await promise;
  } catch (error) {
    const where = "socket" in address ? address.socket : `${address.host}:${address.port}`;
    const inUse = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    const hint = inUse ? "; another process listens there, choose another port or end it" : "";
    throw new BindingError("unavailable", `cannot listen on ${where}: ${messageOf(error)}${hint}`, {
      cause: error,
    });
  } finally {
    server.off("error", reject);
  }
}

function tellApart(socket: Socket, { http1, http2 }: Protocols): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), silence);
  const forget = (): void => {
    clearTimeout(timer);
    socket.off("data", read);
    socket.off("end", gone);
    socket.off("error", gone);
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
    socket.pause();
    socket.unshift(seen);
    if (maybeHttp2) {
      // The session takes what is buffered itself, and then the socket's handle.
      http2.emit("connection", socket);
    } else {
      http1.emit("connection", socket);
      socket.resume();
    }
  };
  socket.on("data", read);
  socket.on("end", gone);
  socket.on("error", gone);
}
