import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { once } from "node:events";
import http2 from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { http2ServerOptions, widenWindow } from "../../src/grpc/http2-options.ts";
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
export async function serveGrpc(served: Served): Promise<http2.Http2Server> {
  const registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, await buildDescriptors(served.protos)),
  );
  const desc = registry.getService(served.service);
  if (desc === undefined) throw new Error(`no ${served.service}`);
  const methods = methodsOf(createService(desc, served.impl));
  const grpc = new GrpcServer(methods, { maxMessageSize: 64 * 1024 * 1024 });
  const memory = new MemoryBudget().share("test");
  const listener = http2.createServer(http2ServerOptions);
  listener.on("session", (session) => {
    widenWindow(session);
    session.on("error", () => undefined);
  });
  listener.on("stream", (stream: ServerHttp2Stream, headers, _flags, rawHeaders) => {
    const path = headers[":path"] ?? "";
    stream.on("error", () => undefined);
    const refuse = (status: string): void =>
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "grpc-status": status },
        { endStream: true },
      );
    const method = path.slice(path.lastIndexOf("/") + 1);
    const isOwn = path.startsWith(`/${served.service}/`);
    if (isOwn) process.stdout.write(`call ${method}\n`);
    if (isOwn && served.tokens !== undefined) {
      const given = (headers["authorization"] ?? "").replace(/^Bearer /, "");
      if (!tokensOf(served.tokens).includes(given)) return refuse("16");
    }
    if (isOwn && served.only !== undefined && !served.only.includes(method)) return refuse("7");
    if (grpc.handle({ stream, headers, rawHeaders, memory })) return;
    refuse("12");
  });
  listener.listen(served.port, "127.0.0.1");
  await once(listener, "listening");
  process.stdout.write("listening\n");
  return listener;
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
