import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { lookAt, readNames, readRegularFile } from "../src/regular-file.ts";

const megabyte = 1024 * 1024;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "cufflink-files-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const read = (path: string): Promise<string> =>
  readRegularFile(path, { largest: megabyte }).then(
    (bytes) => `${bytes.length} bytes`,
    (error: Error) => error.message,
  );

afterEach(() => vi.useRealTimers());

test("regular files are read whole, up to the limit; by a link too", async () => {
  const path = folder();
  writeFileSync(join(path, "empty"), "");
  writeFileSync(join(path, "largest"), Buffer.alloc(megabyte));
  writeFileSync(join(path, "larger"), Buffer.alloc(megabyte + 1));
  symlinkSync("largest", join(path, "link"));
  expect(await read(join(path, "empty"))).toBe("0 bytes");
  expect(await read(join(path, "largest"))).toBe(`${megabyte} bytes`);
  expect(await read(join(path, "link"))).toBe(`${megabyte} bytes`);
  expect(await read(join(path, "larger"))).toBe("is larger than 1 MiB");
  const bytes = await readRegularFile("/proc/self/status", { largest: megabyte });
  expect(bytes.toString()).toContain("Name:");
});

test("what is no regular file is not read, and told by its kind", async () => {
  const path = folder();
  execFileSync("mkfifo", [join(path, "pipe")]);
  mkdirSync(join(path, "folder"));
  const server = createServer().listen(join(path, "socket"));
  onTestFinished(() => void server.close());
  await new Promise((listening) => server.once("listening", listening));
  for (const device of ["zero", "full", "tty"]) symlinkSync(`/dev/${device}`, join(path, device));
  symlinkSync("circle", join(path, "circle"));
  symlinkSync("nowhere", join(path, "dangling"));
  writeFileSync(join(path, "huge"), "");
  truncateSync(join(path, "huge"), 2 ** 40);
  const told = async (name: string): Promise<string> => read(join(path, name));
  expect(await told("pipe")).toBe("is a named pipe, no regular file");
  expect(await told("folder")).toBe("is a folder, no regular file");
  expect(await told("socket")).toBe("is a socket, no regular file");
  for (const device of ["zero", "full", "tty"])
    expect(await told(device)).toBe("is a device, no regular file");
  expect(await told("circle")).toBe("cannot be read: its links lead in a circle");
  expect(await told("dangling")).toBe("cannot be read: there is no such file or folder");
  expect(await told("huge")).toBe("is larger than 1 MiB");
});

test("a folder of too many names is not read", async () => {
  const path = folder();
  for (const name of ["b", "a", "c"]) writeFileSync(join(path, name), "");
  expect(await readNames(path, path, 3)).toEqual(["a", "b", "c"]);
  writeFileSync(join(path, "d"), "");
  await expect(readNames(path, path, 3)).rejects.toThrow("has more than 3 entries");
});

test("a file system that does not answer is told after five seconds, and not asked again until it did", async () => {
  vi.useFakeTimers();
  const hanging = Promise.withResolvers<string>();
  const asked = vi.fn(() => hanging.promise);
  let told = "nothing yet";
  void lookAt("/share", asked).catch((error: Error) => (told = error.message));
  await vi.advanceTimersByTimeAsync(4_999);
  expect(told).toBe("nothing yet");
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toBe("cannot be read: its file system does not answer within 5 s");
  await expect(lookAt("/share", asked)).rejects.toThrow("does not answer");
  expect(asked).toHaveBeenCalledTimes(1);
  // Another place is asked meanwhile.
  expect(await lookAt("/elsewhere", async () => "there")).toBe("there");

  hanging.resolve("late");
  await vi.advanceTimersByTimeAsync(0);
  expect(await lookAt("/share", asked)).toBe("late");
  expect(vi.getTimerCount()).toBe(0);
});
