import { execFile } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import type { DescService, FileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import type { GrpcMethod } from "../../../src/grpc/method.ts";
import { Http2Listener } from "../../../src/grpc/http2-listener.ts";
import { answered, refuseCall } from "../../../src/grpc/refusal.ts";
import { GrpcServer } from "../../../src/grpc/server.ts";
import { createService, methodsOf } from "../../../src/grpc/service.ts";
import { GrpcFailure } from "../../../src/grpc/status.ts";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { reflectionServices } from "../../../src/rpc/reflection.ts";

const run = promisify(execFile);
const buf = resolve(import.meta.dirname, "../../../node_modules/.bin/buf");

/** An encoded set with the tests' own protos and what they import. */
export async function buildDescriptors(): Promise<Buffer> {
  const { stdout } = await run(buf, ["build", "-o", "-", import.meta.dirname], {
    encoding: "buffer",
    env: { ...process.env, BUF_CACHE_DIR: "/tmp" },
  });
  return stdout;
}

/** What becomes of a stream: it is served; refused unprocessed; its connection is cut before or after it was processed. */
export type Fate = "serve" | "refuse" | "cut" | "swallow";

type OrderMessage = { orderId: string; total: bigint; payload: Uint8Array; count: number };

export type OrdersServer = AsyncDisposable & {
  readonly port: number;
  readonly address: string;
  /** The names of methods of the service that were called, with what came of them. */
  readonly calls: { method: string; order: OrderMessage; context: HandlerContext }[];
  /** The paths of all streams that came, those that were refused too. */
  readonly streams: string[];
  fate: (path: string) => Fate;
  /** What the next call of a method ends with. */
  failure: GrpcFailure | undefined;
  /** Resolves once a call was given up by its caller. */
  readonly abandoned: Promise<void>;
};

/** Serves `shop.v1.Orders`, whose answers are what it is sent. `reflection`: it tells of itself. */
export async function startOrders(
  set: Buffer,
  { reflection = true, hidden = [] }: { reflection?: boolean; hidden?: readonly string[] } = {},
): Promise<OrdersServer> {
  const registry = registryOf(set, hidden);
  const desc = serviceOf(registry);
  const calls: OrdersServer["calls"] = [];
  const abandoned = Promise.withResolvers<void>();
  const server: OrdersServer = {
    ...{
      calls,
      streams: [],
      fate: () => "serve",
      failure: undefined,
      abandoned: abandoned.promise,
    },
    ...{ port: 0, address: "" },
    [Symbol.asyncDispose]: async () => undefined,
  };
  async function answer(order: OrderMessage, context: HandlerContext): Promise<OrderMessage> {
    calls.push({ method: context.method.name, order, context });
    context.responseHeader.set("first", "1");
    context.responseHeader.set("first-bin", "AAE");
    context.responseTrailer.set("last", "2");
    const { failure } = server;
    if (failure !== undefined) throw failure;
    if (order.orderId === "wait")
      await new Promise((_, reject) => {
        const abort = (): void => {
          abandoned.resolve();
          reject(new Error("given up"));
        };
        if (context.signal.aborted) abort();
        else context.signal.addEventListener("abort", abort);
      });
    return order;
  }
  async function* list(order: OrderMessage, context: HandlerContext) {
    const first = await answer(order, context);
    try {
      for (let number = 0; number < order.count; number++) {
        if (order.orderId === "break" && number === 2) throw new GrpcFailure(3, "broken at two");
        yield { ...first, orderId: String(number) };
      }
    } finally {
      abandoned.resolve();
    }
  }
  const impl = { place: answer, get: answer, put: answer, list, describe: (it: object) => it };
  const own = createService(desc, impl as object);
  const services = reflection ? [own, ...reflectionServices([desc])] : [own];
  const methods = new Map<string, GrpcMethod>(services.flatMap((one) => [...methodsOf(one)]));
  const grpc = new GrpcServer(methods, { maxMessageSize: 64 * 1024 * 1024 });
  const memory = new MemoryBudget().share("test");
  const listener = new Http2Listener({
    memory,
    onStream(stream, head) {
      const path = head.get(":path") ?? "";
      server.streams.push(path);
      const fate = server.fate(path);
      if (fate === "refuse") {
        stream.reset(ErrorCode.refusedStream);
        return answered;
      }
      const cut = (): void => void stream.connection.socket.destroy();
      if (fate === "cut") return { ...answered, data: cut };
      // It is processed, and nobody hears of that.
      if (fate === "swallow") Object.assign(stream, { sendHeaders() {}, sendWhole: cut, end: cut });
      return grpc.handle({ stream, head, memory }) ?? refuseCall(stream, 12, "");
    },
  });
  listener.server.listen(0, "127.0.0.1");
  await once(listener.server, "listening");
  const { port } = listener.server.address() as AddressInfo;
  return Object.assign(server, {
    port,
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      listener.destroyConnections();
      await listener.stop();
    },
  });
}

function registryOf(set: Buffer, hidden: readonly string[]): FileRegistry {
  const { file } = fromBinary(FileDescriptorSetSchema, set);
  const shown: FileDescriptorSet = create(FileDescriptorSetSchema, {
    file: file.map((one) => ({
      ...one,
      service: one.service.map((service) => ({
        ...service,
        method: service.method.filter(({ name }) => !hidden.includes(name)),
      })),
    })),
  });
  return createFileRegistry(shown);
}

function serviceOf(registry: FileRegistry): DescService {
  const service = registry.getService("shop.v1.Orders");
  if (service === undefined) throw new Error("no shop.v1.Orders");
  return service;
}
