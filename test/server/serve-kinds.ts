import type { AddressInfo } from "node:net";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { addResponseHeaders, requestHeadOf } from "../../src/grpc/handler-context.ts";
import { createService } from "../../src/grpc/service.ts";
import { GrpcFailure } from "../../src/grpc/status.ts";
import { createRpcHandlers } from "../../src/server/rpc-handlers.ts";
import { listen } from "../../src/server/listener.ts";
import { Kinds } from "../grpc/kinds.ts";
import { protocolsOf } from "./protocols-of.ts";

/** What a method saw of its last call. */
export type SeenCall = {
  readonly context: HandlerContext;
  readonly header: string | null;
  readonly raw: string | string[] | undefined;
  readonly timeout: number | undefined;
  requests: string[];
  failure?: unknown;
  isOver: boolean;
};

export type ServedKinds = AsyncDisposable & {
  readonly port: number;
  /** The last call of each method, by its name. */
  readonly seen: Map<string, SeenCall>;
};

const key = createContextKey("default", { description: "a test's value" });

/**
 * The service of every kind of method, on a real listener. The first request's text says what a method does:
 * `fail`, `refuse`, `throw`, `abort`, `wait`, `large`, `metadata`; anything else is answered, with `count` repetitions.
 */
export async function serveKinds(maxMessageSize: number): Promise<ServedKinds> {
  const seen: ServedKinds["seen"] = new Map();

  function begin(context: HandlerContext): SeenCall {
    const { timeoutMs } = context;
    const call = {
      context,
      header: context.requestHeader.get("x-test"),
      raw: requestHeadOf(context).get("x-test"),
      timeout: timeoutMs(),
      requests: [],
      isOver: false,
    };
    seen.set(context.method.name, call);
    return call;
  }

  async function answer(call: SeenCall, value: Uint8Array): Promise<{ value: Uint8Array }> {
    const { context } = call;
    const text = Buffer.from(value).toString();
    call.requests.push(text);
    switch (text) {
      case "fail":
        context.responseHeader.set("first", "before the failure");
        throw new ConnectError(
          "not found: 100% ü",
          Code.NotFound,
          { "beside-it": "yes", "beside-it-bin": "AAE" },
          [{ desc: ErrorInfoSchema, value: { reason: "TEST", domain: "here" } }],
        );
      case "refuse":
        throw new GrpcFailure(9, "a precondition failed", undefined, { "beside-it": "yes" });
      case "throw":
        throw new TypeError("unforeseen");
      case "wait":
        await new Promise((_, reject) => {
          context.signal.addEventListener("abort", () => reject(context.signal.reason as Error));
        });
        break;
      case "large":
        return { value: new Uint8Array(maxMessageSize + 1) };
      case "metadata":
        context.responseHeader.append("first", "1");
        context.responseHeader.append("first", "2");
        context.responseHeader.set("first-bin", "AAE");
        addResponseHeaders(context, { added: ["3", "4"] });
        context.responseTrailer.append("last", "5");
        context.responseTrailer.append("last", "6");
        context.responseTrailer.set("last-bin", "/w");
        break;
      case "values": {
        const before = context.values.get(key);
        const after = context.values.set(key, "set").get(key);
        return { value: Buffer.from(`${before} ${after} ${context.values.delete(key).get(key)}`) };
      }
      default:
    }
    return { value };
  }

  async function following<Value>(call: SeenCall, run: () => Promise<Value>): Promise<Value> {
    try {
      return await run();
    } catch (error) {
      call.failure = error;
      throw error;
    } finally {
      call.isOver = true;
    }
  }

  const service = createService(
    Kinds,
    {
      unary({ value }, context) {
        const call = begin(context);
        return following(call, () => answer(call, value));
      },
      async *read({ value }, context) {
        const call = begin(context);
        try {
          yield await answer(call, value);
          for (let number = 1; number < 3; number++) yield { value: Buffer.from(String(number)) };
        } catch (error) {
          call.failure = error;
          throw error;
        } finally {
          call.isOver = true;
        }
      },
      write(requests, context) {
        const call = begin(context);
        return following(call, async () => {
          let last: { value: Uint8Array } = { value: new Uint8Array() };
          for await (const { value } of requests) last = await answer(call, value);
          return last;
        });
      },
      async *both(requests, context) {
        const call = begin(context);
        try {
          for await (const { value } of requests) yield await answer(call, value);
        } catch (error) {
          call.failure = error;
          throw error;
        } finally {
          call.isOver = true;
        }
      },
    },
    {
      async *raw(requests, context) {
        context.setHeaders({ first: "raw" });
        for await (const request of requests) {
          const { value } = fromBinary(BytesValueSchema, request);
          if (Buffer.from(value).toString() === "refuse")
            throw new GrpcFailure(9, "a precondition failed");
          yield toBinary(BytesValueSchema, { $typeName: "google.protobuf.BytesValue", value });
        }
        context.setTrailers({
          last: context.deadline === undefined ? "no deadline" : "a deadline",
        });
      },
    },
  );

  const lanes = createRpcHandlers({
    services: [service],
    maxMessageSize,
    admit(head) {
      if (head.get("refused") === "yes") throw new GrpcFailure(16, `not ${head.get(":path")}`);
    },
  });
  const protocols = protocolsOf(lanes);
  const server = await listen({ host: "127.0.0.1", port: 0 }, protocols);
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.close();
      await protocols.end(0);
    },
  };
}
