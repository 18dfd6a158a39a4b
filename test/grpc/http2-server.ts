import http2 from "node:http2";
import type {
  Http2Server,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
  ServerOptions,
} from "node:http2";
import { reservePort } from "../servers/ports.ts";

export type ServedCall = {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  /** The request's bytes, frame prefix and all. */
  readonly body: Buffer;
  /** Answers with one message, or with an error. */
  ok(message: Uint8Array, extra?: Record<string, string>): void;
  fail(code: number, message?: string): void;
};

/** A server of raw HTTP/2 streams that speaks gRPC as far as a test says. */
export type RawServer = AsyncDisposable & {
  readonly port: number;
  readonly server: Http2Server;
  readonly sessions: Set<ServerHttp2Session>;
  readonly calls: ServedCall[];
  /** Destroys all connections and listens no more. */
  stop(): Promise<void>;
};

export async function startHttp2Server(
  handle: (call: ServedCall) => void,
  options: ServerOptions & {
    port?: number;
    tls?: { cert: string; key: string };
    /** Told of each stream before its body was read; true: the test does all by itself. */
    onStream?: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean;
  } = {},
): Promise<RawServer> {
  const { port = await reservePort(), tls, onStream, ...rest } = options;
  const settings: ServerOptions = {
    maxSessionMemory: 1000,
    ...rest,
    settings: { initialWindowSize: 4 * 1024 * 1024, ...rest.settings },
  };
  const server =
    tls === undefined
      ? http2.createServer(settings)
      : http2.createSecureServer({ ...settings, ...tls });
  const sessions = new Set<ServerHttp2Session>();
  const calls: ServedCall[] = [];
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => {});
  });
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    if (onStream?.(stream, headers) === true) return;
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const call = servedCall(stream, headers, Buffer.concat(chunks));
      calls.push(call);
      handle(call);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
    for (const session of sessions) session.destroy();
    await closed;
  };
  return { port, server, sessions, calls, stop, [Symbol.asyncDispose]: stop };
}

/** A message with its gRPC frame prefix. */
export function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function servedCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  body: Buffer,
): ServedCall {
  return {
    stream,
    headers,
    path: String(headers[":path"]),
    body,
    ok(message, extra = {}) {
      if (stream.destroyed) return;
      const answer = { ":status": 200, "content-type": "application/grpc", ...extra };
      stream.respond(answer, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(framed(message));
    },
    fail(code, message = "") {
      if (stream.destroyed) return;
      stream.respond(
        {
          ":status": 200,
          "content-type": "application/grpc",
          "grpc-status": String(code),
          "grpc-message": encodeURIComponent(message),
        },
        { endStream: true },
      );
    },
  };
}
