import { connect as connectHttp2, constants, type OutgoingHttpHeaders } from "node:http2";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { InvokeBindingRequestSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";

export const invokePath = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";

/** Writes bytes to a port as they are; resolves to all that came back once `enough` says so or the other side closed. */
export function sendBytes(
  port: number,
  parts: readonly (string | Uint8Array)[],
  enough: (answer: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end of the answer in 20 s, so far: ${answer}`));
    }, 20_000);
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      if (enough(answer)) done();
    });
    // A reset is an end like any other to one that sends nonsense.
    socket.on("error", () => undefined);
    socket.on("close", done);
    const write = async (): Promise<void> => {
      for (const part of parts) {
        if (socket.destroyed) return;
        await new Promise<void>((written) => socket.write(part, () => written()));
      }
    };
    socket.once("connect", () => void write());
  });
}

/** A whole HTTP/1.1 request that closes its connection. */
export function http1(
  port: number,
  method: string,
  path: string,
  options: { body?: string; headers?: string } = {},
): Promise<string> {
  const { body = "", headers = "" } = options;
  const length = Buffer.byteLength(body);
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${length}\r\n${headers}\r\n`;
  return sendBytes(port, [head, body]);
}

export type GrpcAnswer = {
  readonly httpStatus: number;
  /** `grpc-status`; `undefined`: there was none. */
  readonly code: number | undefined;
  readonly message: string;
  readonly headers: Readonly<Record<string, unknown>>;
};

/** One gRPC call whose body is whatever it is. */
export function grpc(
  port: number,
  path: string,
  body: Uint8Array,
  headers: OutgoingHttpHeaders = {},
): Promise<GrpcAnswer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const seen: Record<string, string | string[] | number | undefined> = {};
    stream.on("response", (head) => Object.assign(seen, head));
    stream.on("trailers", (trailers) => Object.assign(seen, trailers));
    stream.on("error", (error) => {
      if (seen["grpc-status"] === undefined) reject(error);
    });
    stream.on("close", () => {
      session.destroy();
      const status = seen["grpc-status"];
      resolve({
        httpStatus: Number(seen[constants.HTTP2_HEADER_STATUS]),
        code: status === undefined ? undefined : Number(status),
        message: decodeURIComponent([seen["grpc-message"] ?? ""].join()),
        headers: seen,
      });
    });
    stream.resume();
    stream.end(body);
  });
}

/** A message behind gRPC's prefix. */
export function frame(
  message: Uint8Array,
  options: { flags?: number; length?: number } = {},
): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = options.flags ?? 0;
  prefix.writeUInt32BE(options.length ?? message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The request body of `InvokeBinding` over gRPC. */
export function invokeBytes(name: string, operation: string, data: string, metadata = {}): Buffer {
  const request = { name, operation, data: Buffer.from(data), metadata };
  return frame(toBinary(InvokeBindingRequestSchema, create(InvokeBindingRequestSchema, request)));
}
