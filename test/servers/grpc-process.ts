import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { once } from "node:events";
import type { Server } from "node:net";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Http2Listener } from "../../src/grpc/http2-listener.ts";
import { refuseCall } from "../../src/grpc/refusal.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { createService, methodsOf } from "../../src/grpc/service.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";

const run = promisify(execFile);

export type Served = {
  /** The folder with the definition. */
  readonly protos: string;
  readonly service: string;
  /** The methods by the names of the generated code; their messages have int64 as bigint. */
  readonly impl: object;
  readonly port: number;
  /** The methods that may be called; others are PERMISSION_DENIED. Default: all. */
  readonly only?: readonly string[];
  /** A file of the tokens that are taken, read with each call. Default: none is needed. */
  readonly tokens?: string | undefined;
};

/** Serves a gRPC service on loopback, and prints `call METHOD` for each call. */
export async function serveGrpc(served: Served): Promise<Server> {
  const registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, await buildDescriptors(served.protos)),
  );
  const desc = registry.getService(served.service);
  if (desc === undefined) throw new Error(`no ${served.service}`);
  const methods = methodsOf(createService(desc, served.impl));
  const grpc = new GrpcServer(methods, { maxMessageSize: 64 * 1024 * 1024 });
  const memory = new MemoryBudget().share("test");
  const { server } = new Http2Listener({
    memory,
    onStream(stream, head) {
      const path = head.get(":path") ?? "";
      const method = path.slice(path.lastIndexOf("/") + 1);
      const isOwn = path.startsWith(`/${served.service}/`);
      if (isOwn) process.stdout.write(`call ${method}\n`);
      if (isOwn && served.tokens !== undefined) {
        const given = (head.get("authorization") ?? "").replace(/^Bearer /, "");
        if (!tokensOf(served.tokens).includes(given)) return refuseCall(stream, 16, "");
      }
      if (isOwn && served.only !== undefined && !served.only.includes(method))
        return refuseCall(stream, 7, "");
      return grpc.handle({ stream, head, memory }) ?? refuseCall(stream, 12, "");
    },
  });
  server.listen(served.port, "127.0.0.1");
  await once(server, "listening");
  process.stdout.write("listening\n");
  return server;
}

function tokensOf(file: string): readonly string[] {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
}

/** An encoded set of the definitions in a folder. */
export async function buildDescriptors(folder: string): Promise<Buffer> {
  const require = createRequire(import.meta.url);
  const buf = resolve(require.resolve("@bufbuild/buf/package.json"), "../bin/buf");
  const { stdout } = await run(process.execPath, [buf, "build", "-o", "-", folder], {
    encoding: "buffer",
    env: { ...process.env, BUF_CACHE_DIR: "/tmp" },
  });
  return stdout;
}
