import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { benchGo } from "../bench-go.ts";
import type { Percentiles } from "../measure/statistics.ts";
import type { Target } from "./calls.ts";
import type { Result } from "./h2load.ts";

const execute = promisify(execFile);
const timeout = 300_000;

/** Calls over one connection, each with a `traceparent` and a `grpc-timeout` of its own. */
export type GrpcLoad = {
  readonly calls: number;
  /** Under way at one time. */
  readonly inFlight: number;
  /** Calls that are made first and not counted. Default: none. */
  readonly warm?: number;
  /** Without these two headers, so that all calls have the same. */
  readonly identical?: boolean;
};

/** Latencies count from when a call was written to when its answer was whole, in milliseconds. */
export type GrpcResult = Result & Percentiles;

/** Puts load on a gRPC server by the generator in `bench-go/`; rejects unless each call was answered with status 0. */
export async function runGrpcLoad(
  below: string,
  { port, path, body }: Target,
  { calls, inFlight, warm = 0, identical = false }: GrpcLoad,
  pin: boolean,
): Promise<GrpcResult> {
  const bodyFile = join(await mkdtemp(join(below, "load-")), "body");
  await writeFile(bodyFile, body);
  const order = JSON.stringify({ port, path, bodyFile, calls, inFlight, warm, identical });
  const command = [await benchGo(), "load", order];
  const [program = "", ...rest] = pin ? ["taskset", "-c", "1", ...command] : command;
  const { stdout } = await execute(program, rest, { timeout });
  return JSON.parse(stdout) as GrpcResult;
}
