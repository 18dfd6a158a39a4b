import { execFile, spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { inFlight, type Load } from "./load.ts";
import { grpcBody, httpBody, invokeBindingPath } from "./request.ts";

const execute = promisify(execFile);
const timeout = 120_000;

/** Puts load on a server; rejects when a call was not answered well. */
export type Generator = { readonly name: string; run(load: Load): Promise<void> };

/** h2load of nghttp2 where it is installed, else a client on node:http2 and node:http. The folder is for its files. */
export function chooseGenerator(folder: string): Generator {
  const h2load = spawnSync("h2load", ["--version"], { encoding: "utf8" });
  if (h2load.status !== 0) return { name: `Node ${process.version}`, run: runNode };
  return {
    name: h2load.stdout.trim(),
    async run(load) {
      // h2load does not look at grpc-status: one call before and one after do.
      await runNode({ ...load, calls: 1 });
      await runH2load(folder, load);
      await runNode({ ...load, calls: 1 });
    },
  };
}

async function runNode(load: Load): Promise<void> {
  const program = join(import.meta.dirname, "load.ts");
  await execute(process.execPath, [program, JSON.stringify(load)], { timeout });
}

async function runH2load(folder: string, load: Load): Promise<void> {
  const { protocol, port, component, calls } = load;
  const grpc = protocol === "grpc";
  const file = join(folder, `${protocol}-${component}`);
  await writeFile(file, grpc ? grpcBody(component) : httpBody());
  const type = grpc ? "application/grpc" : "application/json";
  const path = grpc ? invokeBindingPath : `/v1.0/bindings/${component}`;
  const { stdout } = await execute(
    "h2load",
    [
      ...(grpc ? ["-c", "1", "-m", String(inFlight), "-H", "te: trailers"] : []),
      ...(grpc ? [] : ["--h1", "-c", String(inFlight), "-m", "1"]),
      ...["-n", String(calls), "-d", file, "-H", `content-type: ${type}`],
      `http://127.0.0.1:${port}${path}`,
    ],
    { timeout },
  );
  if (!stdout.includes(` ${calls} succeeded, 0 failed`)) {
    throw new Error(`not every call to ${component} was answered well:\n${stdout}`);
  }
}
