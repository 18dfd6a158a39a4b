import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Target } from "./calls.ts";

const execute = promisify(execFile);
const timeout = 300_000;

/** Requests of HTTP/1.1 that are all the same. */
export type Load = {
  readonly calls: number;
  /** Under way at one time, each on a connection of its own. */
  readonly inFlight: number;
};

/** What became of a load: calls a second, and the bytes of all answers' bodies. */
export type Result = { readonly rate: number; readonly bodyBytes: number };

/** Puts load on a server by h2load of nghttp2; rejects unless each call was answered by a status below 300. */
export async function runH2load(
  below: string,
  { port, path, body }: Target,
  { calls, inFlight }: Load,
  pin: boolean,
): Promise<Result> {
  const file = join(await mkdtemp(join(below, "load-")), "body");
  await writeFile(file, body);
  const shape = ["--h1", "-c", String(inFlight), "-m", "1", "-H", "content-type: application/json"];
  const url = `http://127.0.0.1:${port}${path}`;
  const command = ["h2load", ...shape, "-n", String(calls), "-d", file, url];
  const [program = "", ...rest] = pin ? ["taskset", "-c", "1", ...command] : command;
  const { stdout } = await execute(program, rest, { timeout }).catch((error: Error) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error("h2load is not installed; on Debian it is in nghttp2-client", { cause: error });
  });
  const [, rate] = /([\d.]+) req\/s/.exec(stdout) ?? [];
  const [, bodyBytes] = /\((\d+)\) data/.exec(stdout) ?? [];
  const [, good] = /status codes: (\d+) 2xx/.exec(stdout) ?? [];
  if (Number(good) !== calls || rate === undefined || bodyBytes === undefined) {
    throw new Error(`not every call was answered well:\n${stdout}`);
  }
  return { rate: Number(rate), bodyBytes: Number(bodyBytes) };
}
