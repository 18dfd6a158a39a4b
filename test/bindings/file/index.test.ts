import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { InboundEvent } from "../../../src/binding.ts";
import { ChangeHints } from "../../../src/bindings/file/change-hints.ts";
import file from "../../../src/bindings/file/index.ts";
import { StableFiles } from "../../../src/folder-watch/stable-files.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { openInput, type InputOptions, type OpenedInput } from "../opened-input.ts";
import { allBytes } from "../opened-output.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-file-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

function open(
  properties: Record<string, string> = {},
  options: InputOptions = {},
): Promise<OpenedInput> {
  return openInput(file, { folder, quietTime: "40ms", ...properties }, options);
}

function put(name: string, data: string | Uint8Array = name): Promise<void> {
  return writeFile(join(folder, name), data);
}

function handled(event: InboundEvent): void {
  event.settle({ outcome: "handled" });
}

function textOf(event: InboundEvent): string {
  return Buffer.from(event.data!).toString();
}

async function until(assertion: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(assertion, { timeout: 10_000, interval: 10 });
}

/** A file that comes after what must be no event: once it is one, the others had their chance. */
async function nothingBefore(input: OpenedInput, name = "marker.txt"): Promise<void> {
  await put(name);
  const event = await input.next();
  expect(event.metadata["fileName"]).toBe(name);
  handled(event);
}

test("a file is an event, and is moved once it is handled", async () => {
  const input = await open();
  await put("order 1.bin", allBytes);
  const event = await input.next();
  expect(event.data).toEqual(allBytes);
  expect(event.key).toBeUndefined();
  expect(event.metadata).toEqual({
    fileName: "order 1.bin",
    path: "order 1.bin",
    size: "256",
    modifiedTime: expect.stringMatching(/^\d{4}-.*Z$/),
  });
  expect(event.id).toBe(`order 1.bin:${event.metadata["modifiedTime"]}:256`);
  expect(await readdir(folder)).toContain("order 1.bin");

  handled(event);
  await input.reader.flush();
  expect(await readdir(folder)).toEqual(["processed"]);
  expect(new Uint8Array(await readFile(join(folder, "processed", "order 1.bin")))).toEqual(
    allBytes,
  );
});

test("or deleted; an empty file is an event too", async () => {
  const input = await open({ onHandled: "delete" });
  await put("empty", "");
  const event = await input.next();
  expect(event.data).toHaveLength(0);
  handled(event);
  await input.reader.flush();
  expect(await readdir(folder)).toEqual([]);
});

test("files that are there at the start are events, the oldest first", async () => {
  await put("b");
  await until(async () => {
    // Clocks of file systems are coarse: write until the second is really the later one.
    await put("a");
    const times = await Promise.all(["b", "a"].map((name) => stat(join(folder, name))));
    expect(times[1]!.mtimeMs).toBeGreaterThan(times[0]!.mtimeMs);
  });
  const input = await open();
  expect([textOf(await input.next()), textOf(await input.next())]).toEqual(["b", "a"]);
});

test("a file that is renamed in is an event, while its temporary name was none", async () => {
  const input = await open();
  await put("report.csv.part", "done");
  await put(".hidden");
  await put("draft~");
  await put("#auto#");
  await put("X.TMP");
  await nothingBefore(input);
  await rename(join(folder, "report.csv.part"), join(folder, "report.csv"));
  const event = await input.next();
  expect(event.metadata["fileName"]).toBe("report.csv");
  expect(textOf(event)).toBe("done");
  expect(input.events).toHaveLength(2);
});

test("patterns say what is taken", async () => {
  const input = await open({ include: "*.csv,.*.json", ignore: "old-*" });
  await put("a.txt");
  await put("old-1.csv");
  await put(".b.json");
  expect(textOf(await input.next())).toBe(".b.json");
  await nothingBefore(input, "c.csv");
});

test("a file that is still written to is one event, with all of it", async () => {
  const input = await open({ quietTime: "800ms" });
  for (let part = 0; part < 20; part++) {
    await appendFile(join(folder, "growing"), `${part},`);
    await until(async () =>
      expect((await stat(join(folder, "growing"))).size).toBeGreaterThan(part),
    );
  }
  const whole = Array.from({ length: 20 }, (_, part) => `${part},`).join("");
  expect(textOf(await input.next())).toBe(whole);
  expect(input.events).toHaveLength(1);
});

test("a handled file that was written to meanwhile stays and is another event", async () => {
  const input = await open();
  await put("a", "one");
  const first = await input.next();
  await put("a", "second");
  handled(first);
  const second = await input.next();
  expect(textOf(second)).toBe("second");
  expect(second.id).not.toBe(first.id);
  handled(second);
  await input.reader.flush();
  expect(await readFile(join(folder, "processed", "a"), "utf8")).toBe("second");
});

test("a name that was there before gets a number in the processed folder", async () => {
  const input = await open();
  for (const text of ["one", "two"]) {
    await put("a.txt", text);
    handled(await input.next());
    await input.reader.flush();
  }
  expect((await readdir(join(folder, "processed"))).toSorted()).toEqual(["a-1.txt", "a.txt"]);
  expect(await readFile(join(folder, "processed", "a-1.txt"), "utf8")).toBe("two");
});

test("an event that is not handled stays in the folder and is an event for the next reader", async () => {
  const first = await open();
  await put("a");
  const event = await first.next();
  event.settle({ outcome: "returned", reason: "the runtime stops" });
  await first.close();
  expect(await readdir(folder)).toContain("a");

  const second = await open();
  expect((await second.next()).id).toBe(event.id);
});

test("one that is returned while it goes on is an event again after the pause", async () => {
  const input = await open();
  await put("a");
  (await input.next()).settle({ outcome: "returned", reason: "later", after: 10 });
  const again = await input.next();
  expect(textOf(again)).toBe("a");
  handled(again);
  await input.reader.flush();
  expect(input.events).toHaveLength(2);
});

test("a file is delivered once while the app has it, whatever happens around it", async () => {
  const input = await open({ scanInterval: "20ms" });
  await put("a");
  const event = await input.next();
  for (const name of ["b", "c"]) {
    await put(name);
    handled(await input.next());
  }
  expect(input.events.filter((one) => textOf(one) === "a")).toHaveLength(1);
  handled(event);
  await input.reader.flush();
  expect((await readdir(join(folder, "processed"))).toSorted()).toEqual(["a", "b", "c"]);
});

test("no file is read before there is room for it", async () => {
  const room = Promise.withResolvers<void>();
  const input = await open({}, { room: () => room.promise });
  await put("a", "1");
  await input.next();
  const taken = vi.spyOn(StableFiles.prototype, "take");
  onTestFinished(() => taken.mockRestore());
  await put("b", "old");
  await until(() => {
    const stable = taken.mock.results.flatMap(({ value }) => value as { path: string }[]);
    expect(stable.map(({ path }) => path)).toContain("b");
  });
  await put("b", "new");
  expect(input.events).toHaveLength(1);
  room.resolve();
  expect(textOf(await input.next())).toBe("new");
});

test("a file that is too large is left, said once, and taken when it has shrunk", async () => {
  const input = await open({ maxSize: "10", scanInterval: "20ms" });
  await put("big", "x".repeat(11));
  await until(() => expect(input.logger.warn).toHaveBeenCalledOnce());
  expect(input.logger.warn).toHaveBeenCalledWith(
    { file: "big", size: "11B", maxSize: "10B" },
    expect.stringContaining("larger than maxSize"),
  );
  await nothingBefore(input, "m1");
  await nothingBefore(input, "m2");
  expect(input.logger.warn).toHaveBeenCalledOnce();
  await put("big", "x".repeat(10));
  expect((await input.next()).metadata["fileName"]).toBe("big");
});

test("1 MiB passes", async () => {
  const input = await open();
  const data = Buffer.alloc(1024 * 1024, allBytes);
  await put("mega", data);
  expect(Buffer.compare((await input.next()).data!, data)).toBe(0);
});

test("links, folders and pipes are no events", async () => {
  const outside = await mkdtemp(join(tmpdir(), "cufflink-outside-"));
  onTestFinished(() => rm(outside, { recursive: true }));
  await writeFile(join(outside, "secret"), "secret");
  const input = await open({ recursive: "true" });
  await symlink(join(outside, "secret"), join(folder, "link"));
  await symlink(outside, join(folder, "linked-folder"));
  await mkdir(join(folder, "sub"));
  await nothingBefore(input);
  expect(input.events).toHaveLength(1);
});

test("folders below are left alone unless recursive", async () => {
  await mkdir(join(folder, "sub"));
  await put("sub/a");
  const input = await open();
  await nothingBefore(input);
  expect(input.events).toHaveLength(1);
});

test("recursive: new folders too, the processed one not, and the way is kept", async () => {
  const input = await open({ recursive: "true", scanInterval: "1h" });
  await nothingBefore(input);
  await input.reader.flush();
  await mkdir(join(folder, "x", "y"), { recursive: true });
  await put("x/y/a");
  const event = await input.next();
  expect(event.metadata).toMatchObject({ fileName: "a", path: "x/y/a" });
  handled(event);
  await input.reader.flush();
  expect(await readdir(join(folder, "processed", "x", "y"))).toEqual(["a"]);
  await put("x/y/b");
  expect((await input.next()).metadata["path"]).toBe("x/y/b");
  expect(input.events).toHaveLength(3);
});

test("without being told of changes, the scan finds them", async () => {
  // What a network folder is like: no hint comes.
  const silent = vi.spyOn(ChangeHints.prototype, "add").mockReturnValue();
  onTestFinished(() => silent.mockRestore());
  const input = await open({ scanInterval: "20ms" });
  await until(() => expect(silent).toHaveBeenCalledTimes(3));
  await put("a");
  expect(textOf(await input.next())).toBe("a");
});

test("a processed folder elsewhere", async () => {
  const elsewhere = `${folder}-done`;
  onTestFinished(() => rm(elsewhere, { recursive: true }));
  const input = await open({ processedFolder: elsewhere });
  await put("a");
  handled(await input.next());
  await input.reader.flush();
  expect(await readdir(folder)).toEqual([]);
  expect(await readdir(elsewhere)).toEqual(["a"]);
});

test("a handled file that somebody removed is no trouble", async () => {
  const input = await open();
  await put("a");
  const event = await input.next();
  await unlink(join(folder, "a"));
  handled(event);
  await input.reader.flush();
  await nothingBefore(input);
  expect(input.logger.warn).not.toHaveBeenCalled();
});

test("a handled file that cannot be put away is said, held, and no event again", async () => {
  const input = await open({ scanInterval: "20ms" });
  await put("a");
  const event = await input.next();
  await rm(join(folder, "processed"), { recursive: true });
  await writeFile(join(folder, "processed"), "in the way", { flag: "wx" });
  handled(event);
  await input.reader.flush();
  expect(input.logger.warn).toHaveBeenCalledWith(
    { file: "a", reason: expect.stringMatching(/EEXIST|ENOTDIR/) },
    expect.stringContaining("cannot be moved or deleted"),
  );
  const others = [await input.next()];
  expect(others.map((one) => one.metadata["fileName"])).toEqual(["processed"]);
  expect(await readdir(folder)).toContain("a");
});

test("a folder that is not there, or no folder, is an error that names it", async () => {
  const missing = join(folder, "missing");
  await expect(open({ folder: missing })).rejects.toMatchObject({
    reason: "not_found",
    effect: "unsent",
    message: expect.stringContaining(missing),
  });
  await put("plain");
  await expect(open({ folder: join(folder, "plain") })).rejects.toMatchObject({
    reason: "failed_precondition",
  });
  await expect(open({ processedFolder: "." })).rejects.toMatchObject({
    reason: "invalid_argument",
  });
  await expect(open({ processedFolder: dirname(folder), recursive: "true" })).rejects.toMatchObject(
    { reason: "invalid_argument" },
  );
});

test("a folder that goes away is lost, with the reason", async () => {
  const input = await open({ scanInterval: "20ms" });
  await nothingBefore(input);
  await input.reader.flush();
  await rm(folder, { recursive: true });
  expect(await input.lost).toMatchObject({
    reason: "not_found",
    message: expect.stringContaining(basename(folder)),
  });
});

test("the backlog counts the files that wait", async () => {
  const connection = await file.open({
    component: { name: "f", appId: "a" },
    metadata: parseFields(file.metadata, { folder, maxSize: "10" }).values,
    directions: { input: true, output: false },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    signal: AbortSignal.timeout(5000),
    http: { listen: () => Promise.reject(new Error("unused")) },
    memory: new MemoryBudget().share("test"),
    driver: () => undefined,
    lost() {},
    notice() {},
  });
  await put("a");
  await put("b");
  await put("c.tmp");
  await put("large", "x".repeat(11));
  await symlink(join(folder, "a"), join(folder, "link"));
  expect(await file.backlog?.(connection, AbortSignal.timeout(5000))).toBe(2);
});

test("a burst of files: each once, none left", async () => {
  const input = await open();
  const names = Array.from({ length: 300 }, (_, number) => `n${number}`);
  await Promise.all(names.map((name) => put(name)));
  const seen: string[] = [];
  for (const _ of names) {
    const event = await input.next();
    seen.push(textOf(event));
    handled(event);
  }
  await input.reader.flush();
  expect(seen.toSorted()).toEqual(names.toSorted());
  expect(await readdir(folder)).toEqual(["processed"]);
  expect(await readdir(join(folder, "processed"))).toHaveLength(300);
});
