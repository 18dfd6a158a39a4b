import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { GrpcMethod } from "./method.ts";
import type { Held, ServerCallOptions } from "./server-call.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";

/** Serves gRPC calls straight on HTTP/2 streams: binary messages, plain or gzip. */
export class GrpcServer {
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #options: ServerCallOptions;
  readonly #held: Held = { bytes: 0 };

  /** `methods`: by path, such as `/package.Service/Method`. */
  constructor(methods: ReadonlyMap<string, GrpcMethod>, options: ServerCallOptions) {
    this.#methods = methods;
    this.#options = options;
  }

  /** Bytes of messages that no method has yet or no caller has read yet, of all calls together. */
  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Takes the stream when it calls one of the methods by gRPC's binary protocol. False: it is somebody else's. */
  handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const method = this.#methods.get(headers[":path"] ?? "");
    if (method === undefined || headers[":method"] !== "POST") return false;
    const type = headers["content-type"];
    if (type !== "application/grpc" && type !== "application/grpc+proto") return false;
    const call =
      method.kind === "unary"
        ? new UnaryCall(stream, headers, method.handle, this.#options, this.#held)
        : new StreamCall(stream, headers, method.handle, this.#options, this.#held);
    call.start();
    return true;
  }
}
