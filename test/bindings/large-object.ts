import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";

const run = promisify(execFile);
export const MiB = 1024 * 1024;
/** By how much the memory of the process may grow, whatever the object's size. */
const mostGrowth = 16 * MiB;

/** What stores objects in parts, and the field of a call that names one. */
export type ObjectStore = {
  readonly type: string;
  readonly keyField: string;
  readonly properties: Readonly<Record<string, string>>;
};

/**
 * Stores an object of so many bytes and reads it again, each in parts, in a process of its own: all arrives, and its
 * memory grows little. The object is called `large`.
 */
export async function expectBoundedMemory(store: ObjectStore, size: number): Promise<void> {
  const program = join(import.meta.dirname, "large-object-process.ts");
  const { type, keyField, properties } = store;
  const given = [type, keyField, JSON.stringify(properties), String(size)];
  const { stdout } = await run(process.execPath, ["--expose-gc", program, ...given]);
  const { create, get, received } = JSON.parse(stdout) as Record<string, number>;
  expect(received).toBe(size);
  expect(create).toBeLessThan(mostGrowth);
  expect(get).toBeLessThan(mostGrowth);
}
