import type { StreamListener } from "../http2/stream.ts";
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

  /**
   * Takes the stream when it calls one of the methods by gRPC's binary protocol; what is returned is its listener.
   * `undefined`: it is somebody else's.
   */
  handle(arrival: Arrival): StreamListener | undefined {
    const { head } = arrival;
    const method = this.#methods.get(head.get(":path") ?? "");
    if (method === undefined || head.get(":method") !== "POST") return undefined;
    const type = head.get("content-type");
    if (type !== "application/grpc" && type !== "application/grpc+proto") return undefined;
    const call =
      method.kind === "unary"
        ? new UnaryCall(arrival, method.handle, this.#options)
        : new StreamCall(arrival, method.handle, this.#options);
    call.start();
    return call;
  }
}
