// 64 MiB in and out in parts, in a process of its own whose memory is measured.
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { describeWith } from "../../servers/describe-with.ts";

const run = promisify(execFile);
const MiB = 1024 * 1024;
const size = 64 * MiB;

type Measured = { readonly create: number; readonly get: number; readonly received: number };

describeWith("openssh", { own: true }, (server) => {
  test("64 MiB pass with less than 16 MiB of memory", { timeout: 60_000 }, async () => {
    const address = `${server.host}:${server.port}`;
    const program = join(import.meta.dirname, "large-file-process.ts");
    const properties = JSON.stringify({ address, ...server.login });
    const { stdout } = await run(process.execPath, [
      "--expose-gc",
      program,
      properties,
      String(size),
    ]);
    const { create, get, received } = JSON.parse(stdout) as Measured;
    expect(received).toBe(size);
    expect((await stat(join(server.files, "large"))).size).toBe(size);
    expect(create).toBeLessThan(16 * MiB);
    expect(get).toBeLessThan(16 * MiB);
  });
});
