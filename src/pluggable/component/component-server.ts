import { chmod, mkdir } from "node:fs/promises";
import {
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer } from "node:net";
import { join } from "node:path";
import { BindingError, messageOf } from "../../errors.ts";
import { http2ServerOptions, widenWindow } from "../../grpc/http2-options.ts";
import { onOpenStream } from "../../grpc/open-streams.ts";
import { GrpcServer } from "../../grpc/server.ts";
import { methodsOf } from "../../grpc/service.ts";
import { Code } from "../../grpc/status.ts";
import { bind } from "../../server/listener.ts";
import type { InstanceOptions } from "./instance.ts";
import { ComponentServices } from "./services.ts";

export type ComponentServerOptions = InstanceOptions & {
  /** The name that the socket gives the type: the binding's, or an alias of it. */
  readonly type: string;
  /** The folder of the sockets. It is made where it is not there, for this user alone. */
  readonly folder: string;
  /** The socket's permissions. */
  readonly mode: number;
  /** The largest message either way, in bytes. */
  readonly maxMessageSize: number;
};

/** A type that is served by a socket. */
export type ComponentServer = {
  readonly socket: string;
  blame(error: unknown): boolean;
  /**
   * Takes no more connections and removes the socket's file; what is under way may take until the deadline, in
   * milliseconds.
   */
  close(deadline: number): Promise<void>;
};

/** How long streams that have ended may take to get out, in milliseconds. */
const lastAnswers = 1_000;

/** Serves a binding as a pluggable component, by the socket `TYPE.sock`. Rejects with a `BindingError`. */
export async function serveComponent(options: ComponentServerOptions): Promise<ComponentServer> {
  const { folder, type, memory, mode, maxMessageSize } = options;
  const socket = join(folder, `${type}.sock`);
  const services = new ComponentServices(options);
  const methods = new Map(services.services.flatMap((service) => [...methodsOf(service)]));
  const grpc = new GrpcServer(methods, { maxMessageSize, limitFlag: "--max-body-size" });
  const share = memory.share(`socket ${type}`);
  const http2 = createHttp2Server(http2ServerOptions);
  // A listener of its own: at its end the sessions go on until what is under way has ended.
  const server = createServer((connection) => http2.emit("connection", connection));
  const sessions = new Set<ServerHttp2Session>();
  http2.on("session", (session) => {
    sessions.add(session);
    widenWindow(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
  });
  http2.on("sessionError", () => undefined);
  onOpenStream(http2, (stream, headers, _flags, rawHeaders) => {
    if (!grpc.handle({ stream, headers, rawHeaders, memory: share })) refuse(stream, headers);
  });
  await listen(server, folder, socket, mode);
  return {
    socket,
    blame: (error) => services.blame(error),
    async close(deadline) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await services.close(deadline);
      for (const session of sessions) session.close();
      const timer = setTimeout(() => {
        for (const session of sessions) session.destroy();
      }, lastAnswers);
      await closed;
      clearTimeout(timer);
    },
  };
}

async function listen(
  server: Parameters<typeof bind>[0],
  folder: string,
  socket: string,
  mode: number,
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const text = `the folder ${folder} of the sockets cannot be made: ${messageOf(error)}; choose another by --socket-folder`;
    throw new BindingError("unavailable", text, { effect: "unsent", cause: error });
  }
  await bind(server, { socket, flags: { place: "--socket-folder" }, mode });
  await chmod(socket, mode);
}

/** A method that is not served, in gRPC's way; anything else in HTTP's. */
function refuse(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.on("error", () => undefined);
  const isGrpc = headers["content-type"]?.startsWith("application/grpc") === true;
  const unimplemented = {
    ...{ ":status": 200, "content-type": "application/grpc" },
    "grpc-status": String(Code.unimplemented),
    "grpc-message": "unknown service or method",
  };
  stream.respond(isGrpc ? unimplemented : { ":status": 415 }, { endStream: true });
}
