import http2 from "node:http2";
import { connect } from "node:net";
import { frame } from "../grpc/raw-client.ts";

/** A request whose body is written bit by bit. */
export type OpenRequest = {
  write(bytes: Uint8Array): void;
  end(): void;
  /**
   * The status of the answer, in whatever way the protocol tells it; `cut`: the connection ended without; `refused`: the
   * stream was reset with REFUSED_STREAM.
   */
  readonly answer: Promise<string>;
  /** Goes away. */
  destroy(): void;
};

/** A way on which a body comes to the server. */
export type Road = {
  readonly name: string;
  /** Opens a request with a body of so many bytes, and sends none of them. */
  open(port: number, size: number): OpenRequest;
  /**
   * What says that there is no room. Over HTTP/2 a stream may also be refused before anything of it is done, or the
   * connection that holds most be cut.
   */
  readonly noRoom: readonly string[];
  /** What says that the body stopped. */
  readonly tooSlow: string;
};

const invoke = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
const stream = "/cufflink.v1.Bindings/InvokeBindingStream";

export const roads: readonly Road[] = [
  http1("Dapr's path over HTTP/1.1", "/v1.0/bindings/probe", "application/json", "408"),
  http1("Connect over HTTP/1.1", invoke, "application/json", "408"),
  http1("gRPC-Web over HTTP/1.1", invoke, "application/grpc-web+proto", "200 grpc 4"),
  overHttp2("Dapr's path over HTTP/2", "/v1.0/bindings/probe", "application/json", "503", "408"),
  overHttp2("Connect over HTTP/2", invoke, "application/json", "503", "504"),
  overHttp2("gRPC-Web over HTTP/2", invoke, "application/grpc-web+proto"),
  overHttp2("gRPC", invoke, "application/grpc"),
  overHttp2("a stream by gRPC", stream, "application/grpc"),
  overHttp2(
    "a stream by Connect",
    stream,
    "application/connect+proto",
    "unavailable",
    "deadline_exceeded",
  ),
];

/** Whether messages have a prefix, which says how long they are. */
function prefix(type: string, size: number): Uint8Array {
  if (!/grpc|connect\+/.test(type)) return Buffer.alloc(0);
  const head = frame("");
  head.writeUInt32BE(size, 1);
  return head;
}

function http1(name: string, path: string, type: string, tooSlow: string): Road {
  return {
    name,
    tooSlow,
    noRoom: [type.includes("grpc") ? "200 grpc 14" : "503"],
    open(port, size) {
      const head = prefix(type, size);
      const socket = connect({ host: "127.0.0.1", port, noDelay: true });
      const length = size + head.length;
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`,
      );
      socket.write(head);
      let text = "";
      const answer = new Promise<string>((resolve) => {
        const told = (): void => {
          const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1];
          const grpc = /grpc-status: ?(\d+)/.exec(text)?.[1];
          const whole = status !== undefined && (status !== "200" || grpc !== undefined);
          if (whole) resolve(grpc === undefined ? status : `${status} grpc ${grpc}`);
        };
        socket.on("data", (chunk: Buffer) => {
          text += chunk.toString("latin1");
          told();
        });
        socket.on("close", () => resolve("cut"));
      });
      socket.on("error", () => undefined);
      return {
        write: (bytes) => void socket.write(bytes),
        end: () => undefined,
        answer,
        destroy: () => socket.destroy(),
      };
    },
  };
}

function overHttp2(
  name: string,
  path: string,
  type: string,
  noRoom = "200 grpc 14",
  tooSlow = "200 grpc 4",
): Road {
  return {
    name,
    noRoom: [noRoom, "refused", "cut"],
    tooSlow,
    open(port, size) {
      const session = http2.connect(`http://127.0.0.1:${port}`);
      session.on("error", () => undefined);
      const request = session.request({
        ":method": "POST",
        ":path": path,
        "content-type": type,
        te: "trailers",
      });
      request.on("error", () => undefined);
      const answer = new Promise<string>((resolve) => {
        let status = "";
        let text = "";
        request.on("response", (headers) => {
          status = String(headers[":status"]);
          if (headers["grpc-status"] !== undefined)
            resolve(`${status} grpc ${String(headers["grpc-status"])}`);
          else if (status !== "200") resolve(status);
        });
        request.on("trailers", (headers) => {
          if (headers["grpc-status"] !== undefined)
            resolve(`${status} grpc ${String(headers["grpc-status"])}`);
        });
        request.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
        const done = (): void => {
          // gRPC-Web's trailers and Connect's end of a stream are in the body.
          const grpc = /grpc-status: ?(\d+)/.exec(text)?.[1];
          const code = type.includes("connect+") ? /"code":"(\w+)"/.exec(text)?.[1] : undefined;
          resolve(code ?? (grpc === undefined ? status || "cut" : `${status} grpc ${grpc}`));
        };
        request.on("end", done);
        request.on("close", () => {
          if (request.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) resolve("refused");
        });
        session.on("close", done);
      });
      request.write(prefix(type, size));
      return {
        write: (bytes) => void (request.writable && request.write(bytes)),
        end: () => void request.end(),
        answer,
        destroy: () => session.destroy(),
      };
    },
  };
}
