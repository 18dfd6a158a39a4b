import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { isAlive, releasePort, reservePort } from "./ports.ts";

const run = promisify(execFile);
const module = JSON.stringify(join(import.meta.dirname, "ports.ts"));

test("gives ports below those of outgoing connections, each once", async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, () => reservePort()));
  expect(new Set(ports).size).toBe(20);
  for (const port of ports) {
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(30_000);
    await releasePort(port);
  }
});

test("gives no port that another process listens on or has reserved", async () => {
  const mine = await reservePort();
  const search = `await reservePort(${mine})`;
  expect(Number(await other(search))).toBeGreaterThan(mine);
  await releasePort(mine);

  const server = createServer();
  await new Promise<void>((resolve) => server.listen(mine, "127.0.0.1", resolve));
  expect(Number(await other(search))).toBeGreaterThan(mine);
  await new Promise((resolve) => server.close(resolve));

  expect(Number(await other(search))).toBe(mine);
  // That process has ended, so what it reserved is free again.
  expect(Number(await other(search))).toBe(mine);
});

test("knows which processes exist", async () => {
  expect(isAlive(process.pid)).toBe(true);
  const gone = Number(await other("process.pid"));
  expect(isAlive(gone)).toBe(false);
});

/** Runs a script in another process, and resolves to what it printed. */
async function other(script: string): Promise<string> {
  const source = `const { reservePort } = await import(${module}); console.log(${script});`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", source]);
  return stdout.trim();
}
