import http2 from "node:http2";
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
} from "node:http2";
import { decodeGrpcMessage } from "../../src/grpc/status.ts";

export type Answer = {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  /** Of headers and trailers together, as an answer may be trailers alone. */
  readonly status: number;
  readonly text: string;
  readonly body: Buffer;
  /** How many chunks the body came in. */
  readonly chunks: number;
};

/** A message with gRPC's prefix. */
export function frame(message: Uint8Array | string, flags = 0): Buffer {
  const body = Buffer.from(message);
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

/** The messages of a body. */
export function messagesOf(body: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    messages.push(body.subarray(at + 5, end));
    at = end;
  }
  return messages;
}

/** Opens a call; the test writes to the stream as it likes. */
export function open(
  session: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
): { readonly stream: ClientHttp2Stream; readonly answer: Promise<Answer> } {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  return { stream, answer: answerOf(stream) };
}

/** All that comes back on a stream. Rejects when it was reset. */
export function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let first: IncomingHttpHeaders = {};
    let last: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on("response", (received) => (first = received));
    stream.on("trailers", (received) => (last = received));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      const all = { ...first, ...last };
      resolve({
        headers: first,
        trailers: last,
        status: Number(all["grpc-status"]),
        text: decodeGrpcMessage(String(all["grpc-message"] ?? "")),
        body: Buffer.concat(chunks),
        chunks: chunks.length,
      });
    });
  });
}

/** A call whose whole request is there at once. */
export function call(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers?: OutgoingHttpHeaders,
): Promise<Answer> {
  const { stream, answer } = open(session, path, headers);
  stream.end(body);
  return answer;
}

/** A connection with windows as wide as a test needs them. Its errors are told by its streams. */
export function connect(port: number, windowBytes = 65_535): ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, {
    settings: { initialWindowSize: windowBytes, enablePush: false },
    maxSessionMemory: 1024,
  });
  session.on("error", () => {});
  session.on("connect", () => session.setLocalWindowSize(Math.max(windowBytes * 4, 65_535)));
  return session;
}
