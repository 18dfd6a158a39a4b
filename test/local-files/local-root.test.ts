import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, symlinkSync, writeFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LocalRoot } from "../../src/local-files/local-root.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";

const makeRoot = () => mkdtempSync(join(tmpdir(), "cufflink-root-"));
const open = (path: string | undefined) => LocalRoot.open(path, new MemoryBudget().share("test"));

test("without a localRoot a call that names a file is refused, by the name of its field", async () => {
  const files = await open(undefined);
  await expect(files.read("filePath", "/etc/hostname")).rejects.toMatchObject({
    reason: "failed_precondition",
    effect: "rejected",
    message: expect.stringMatching(/^filePath names a file of this machine.*set localRoot/),
  });
  await expect(files.create("destinationDir", "a", Buffer.of(1))).rejects.toThrow(/destinationDir/);
});

test("files are read and written below the folder, by names from it and by absolute ones in it", async () => {
  const root = makeRoot();
  const files = await open(root);
  const path = await files.create("filePath", "2026/a.bin", Buffer.from("content"));
  expect(path).toBe(join(root, "2026/a.bin"));
  expect(String(await files.read("filePath", "2026/a.bin"))).toBe("content");
  expect(String(await files.read("filePath", path))).toBe("content");
  const parts: Uint8Array[] = [];
  for await (const part of files.parts("filePath", "2026/a.bin")) parts.push(part);
  expect(Buffer.concat(parts).toString()).toBe("content");
});

test.each(["../outside.txt", "/outside.txt", "a/../../outside.txt", "link", "up/outside.txt"])(
  "%s leads to nothing outside",
  async (name) => {
    const parent = makeRoot();
    const outside = join(parent, "outside.txt");
    writeFileSync(outside, "kept");
    const root = join(parent, "root");
    const files = await open(root);
    symlinkSync("../outside.txt", join(root, "link"));
    symlinkSync("..", join(root, "up"));
    await expect(files.read("filePath", name)).rejects.toMatchObject({ reason: "not_found" });
    await files.create("filePath", name, Buffer.from("mine"));
    expect(readFileSync(outside, "utf8")).toBe("kept");
    expect(readdirSync(parent).toSorted()).toEqual(["outside.txt", "root"]);
  },
);

test("what is no regular file is not read, and a pipe is not waited for", async () => {
  const root = makeRoot();
  const files = await open(root);
  execFileSync("mkfifo", [join(root, "pipe")]);
  await expect(files.read("filePath", "pipe")).rejects.toThrow("it is no regular file");
  await expect(files.read("filePath", "")).rejects.toThrow("is a directory");
});

test("content that breaks off leaves what was there", async () => {
  const root = makeRoot();
  const files = await open(root);
  await files.create("filePath", "a", Buffer.from("old"));
  async function* broken() {
    yield Buffer.from("new");
    throw new Error("cut");
  }
  await expect(files.create("filePath", "a", broken())).rejects.toThrow("cut");
  expect(String(await files.read("filePath", "a"))).toBe("old");
  expect(readdirSync(root)).toEqual(["a"]);
});

test("the folders of the system are refused", async () => {
  await expect(open("/proc/self")).rejects.toThrow("property localRoot points to a disallowed");
});
