import type { GrpcMethod } from "./method.ts";
import type { Arrival, ServerCallOptions } from "./server-call.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";

/** Serves gRPC calls straight on HTTP/2 streams: binary messages, plain or gzip. */
export class GrpcServer {
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #options: ServerCallOptions;

  /** `methods`: by path, such as `/package.Service/Method`. */
  constructor(methods: ReadonlyMap<string, GrpcMethod>, options: ServerCallOptions) {
    this.#methods = methods;
    this.#options = options;
  }

  /** Takes the stream when it calls one of the methods by gRPC's binary protocol. False: it is somebody else's. */
  handle(arrival: Arrival): boolean {
    const { headers } = arrival;
    const method = this.#methods.get(headers[":path"] ?? "");
    if (method === undefined || headers[":method"] !== "POST") return false;
    const type = headers["content-type"];
    if (type !== "application/grpc" && type !== "application/grpc+proto") return false;
    const call =
      method.kind === "unary"
        ? new UnaryCall(arrival, method.handle, this.#options)
        : new StreamCall(arrival, method.handle, this.#options);
    call.start();
    return true;
  }
}
