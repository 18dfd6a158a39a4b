import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import type { invoke, invokeStream } from "./call.ts";
import type { GrpcConnection } from "./connection.ts";
import { callFields, grpcFields } from "./fields.ts";

/** Calls methods of a gRPC server with JSON. */
export default defineBinding({
  name: "grpc",
  status: "beta",
  summary: "Calls the unary and server-streaming methods of a gRPC server, with JSON.",
  provedBy: [{ system: "grpc-go", kind: "real" }],
  metadata: grpcFields,

  async check(metadata) {
    const { checkSettings } = await import("./connection.ts");
    return problemsOf([() => checkSettings(metadata)]);
  },

  async open({ metadata, memory, signal }): Promise<Opened> {
    const { GrpcConnection } = await import("./connection.ts");
    const calls = await import("./call.ts");
    const connection = await GrpcConnection.open(metadata, memory, signal);
    return {
      connection,
      invoke: (call) => calls.invoke(connection, call, memory),
      invokeStream: (call) => calls.invokeStream(connection, call, memory),
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  },

  ping: ({ connection }, signal) => connection.ping(signal),

  async examine(_opened, { omit }) {
    omit("exists");
  },

  operations: {
    call: {
      description:
        "Calls the method with the data, JSON of its request message, and answers the JSON of its response. No data: a message without fields. Of a method that streams its response, the answer is an array, or a line for each message where the answer is asked for in parts.",
      request: callFields,
      isIdempotent: ({ connection }, request) => connection.isIdempotent(connection.name(request)),
      invoke: (opened, call) => opened.invoke(call),
      invokeStream: (opened, call) => opened.invokeStream(call),
    },
  },
});

type Opened = AsyncDisposable & {
  readonly connection: GrpcConnection;
  readonly invoke: (call: Parameters<typeof invoke>[1]) => ReturnType<typeof invoke>;
  readonly invokeStream: (
    call: Parameters<typeof invokeStream>[1],
  ) => ReturnType<typeof invokeStream>;
};
