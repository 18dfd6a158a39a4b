import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { moveTo } from "../../../src/bindings/file/archive.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-move-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "source"), "content");
});

test("moves, and makes the folders on the way", async () => {
  const target = join(folder, "a", "b", "file.txt");
  expect(await moveTo(join(folder, "source"), target)).toBe(target);
  expect(await readFile(target, "utf8")).toBe("content");
  expect(await readdir(folder)).toEqual(["a"]);
});

test("a name that is taken gets a number", async () => {
  await writeFile(join(folder, "file.txt"), "first");
  await writeFile(join(folder, "file-1.txt"), "second");
  await moveTo(join(folder, "source"), join(folder, "file.txt"));
  expect((await readdir(folder)).toSorted()).toEqual(["file-1.txt", "file-2.txt", "file.txt"]);
  expect(await readFile(join(folder, "file.txt"), "utf8")).toBe("first");
  expect(await readFile(join(folder, "file-2.txt"), "utf8")).toBe("content");
});

test("many of one name at the same time lose none", async () => {
  const sources = Array.from({ length: 20 }, (_, number) => join(folder, `source-${number}`));
  for (const [number, source] of sources.entries()) await writeFile(source, String(number));
  await Promise.all(sources.map((source) => moveTo(source, join(folder, "to", "x"))));
  const names = await readdir(join(folder, "to"));
  const contents = await Promise.all(
    names.map((name) => readFile(join(folder, "to", name), "utf8")),
  );
  expect(contents.map(Number).toSorted((a, b) => a - b)).toEqual(
    sources.map((_, number) => number),
  );
});

test("copies where the target is on another device, with its time, and leaves nothing else", async () => {
  const source = join(folder, "source");
  await utimes(source, 1000, 1000);
  const target = join(folder, "to", "file");
  await moveTo(source, target, () => Promise.reject(otherDevice()));
  expect(await readFile(target, "utf8")).toBe("content");
  expect((await stat(target)).mtimeMs).toBe(1_000_000);
  expect(await readdir(join(folder, "to"))).toEqual(["file"]);
  expect(await readdir(folder)).toEqual(["to"]);
});

test("a move that fails leaves the source and reserves no name", async () => {
  const source = join(folder, "source");
  const refuse = () => Promise.reject(Object.assign(new Error("no"), { code: "EPERM" }));
  await expect(moveTo(source, join(folder, "to", "file"), refuse)).rejects.toThrow("no");
  expect(await readdir(join(folder, "to"))).toEqual([]);
  expect(await readFile(source, "utf8")).toBe("content");

  const missing = join(folder, "missing");
  const other = () => Promise.reject(otherDevice());
  await expect(moveTo(missing, join(folder, "to", "file"), other)).rejects.toThrow(/ENOENT/);
  expect(await readdir(join(folder, "to"))).toEqual([]);
});

function otherDevice(): Error {
  return Object.assign(new Error("cross-device link not permitted"), { code: "EXDEV" });
}
