// A folder on OpenSSH that is watched.
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { InboundEvent } from "../../../src/binding.ts";
import sftp from "../../../src/bindings/sftp/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { startProxy } from "../../servers/proxy.ts";
import { openInput, type InputOptions, type OpenedInput } from "../opened-input.ts";
import { allBytes } from "../opened-output.ts";
import { startStandIn } from "./stand-in.ts";

const quick = { quietTime: "40ms", pollInterval: "30ms", maxPollInterval: "60ms" };

const textOf = (event: InboundEvent): string => Buffer.from(event.data ?? []).toString();

const handled = (event: InboundEvent): void => event.settle({ outcome: "handled" });

async function until(assertion: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(assertion, { timeout: 10_000, interval: 10 });
}

describeWith("openssh", { own: true }, (server) => {
  const address = `${server.host}:${server.port}`;

  /** A folder of the test's own, into which anybody may put files. */
  async function place() {
    const rootPath = uniqueName("root");
    const root = join(server.files, rootPath);
    await mkdir(root);
    await chmod(root, 0o777);
    const at = (...names: string[]): string => join(root, ...names);
    const open = (
      properties: Record<string, string> = {},
      options: InputOptions = {},
    ): Promise<OpenedInput> =>
      openInput(sftp, { address, ...server.login, rootPath, ...quick, ...properties }, options);
    /** It is there with all of it. */
    const put = async (name: string, data: string | Uint8Array = name): Promise<void> => {
      await writeFile(at(`${name}.part`), data);
      await rename(at(`${name}.part`), at(name));
    };
    /** A file that comes after what must be no event: once it is one, the others had their chance. */
    const nothingBefore = async (input: OpenedInput, name = "marker.txt"): Promise<void> => {
      await put(name);
      const event = await input.next();
      expect(event.metadata["fileName"]).toBe(name);
      handled(event);
    };
    return { rootPath, at, open, put, nothingBefore };
  }

  test("a file is an event, and is moved once it is handled", async () => {
    const { open, put, at } = await place();
    const input = await open();
    await put("order 1.bin", allBytes);
    const event = await input.next();
    expect(event.data).toEqual(allBytes);
    expect(event.key).toBeUndefined();
    expect(event.metadata).toEqual({
      ...{ fileName: "order 1.bin", path: "order 1.bin", size: "256" },
      modifiedTime: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
    });
    expect(event.id).toBe(`order 1.bin:${event.metadata["modifiedTime"]}:256`);
    expect(await readdir(at())).toEqual(["order 1.bin"]);
    handled(event);
    await input.reader.flush();
    expect(await readdir(at())).toEqual(["processed"]);
    expect(new Uint8Array(await readFile(at("processed", "order 1.bin")))).toEqual(allBytes);
  });

  test("or deleted; an empty file is an event too", async () => {
    const { open, put, at } = await place();
    const input = await open({ onHandled: "delete" });
    await put("empty", "");
    const event = await input.next();
    expect(event.data).toHaveLength(0);
    handled(event);
    await input.reader.flush();
    expect(await readdir(at())).toEqual([]);
  });

  test("files that are there at the start are events, the oldest first", async () => {
    const { open, put, at } = await place();
    for (const [index, name] of ["c", "a", "b"].entries()) {
      await put(name);
      await utimes(at(name), 1_700_000_000, 1_700_000_000 + index);
    }
    const input = await open();
    const texts = [await input.next(), await input.next(), await input.next()].map(textOf);
    expect(texts).toEqual(["c", "a", "b"]);
  });

  test("a file that is written to is no event before it is at rest, and is one with all of it", async () => {
    const { open, at } = await place();
    const input = await open({ quietTime: "600ms" });
    for (let part = 1; part <= 10; part++) {
      await writeFile(at("growing"), "x".repeat(part));
      await until(async () => expect((await stat(at("growing"))).size).toBe(part));
    }
    expect(textOf(await input.next())).toBe("x".repeat(10));
    expect(input.events).toHaveLength(1);
  });

  test("a handled file that was written to meanwhile stays and is another event", async () => {
    const { open, put, at } = await place();
    const input = await open();
    await put("a", "one");
    const first = await input.next();
    await put("a", "second");
    handled(first);
    const second = await input.next();
    expect([textOf(first), textOf(second)]).toEqual(["one", "second"]);
    handled(second);
    await input.reader.flush();
    expect(await readdir(at("processed"))).toEqual(["a"]);
  });

  test("what is not handled stays, and comes again", async () => {
    const { open, put, at } = await place();
    const input = await open();
    await put("a");
    (await input.next()).settle({ outcome: "returned", reason: "refused", after: 0 });
    const again = await input.next();
    expect(textOf(again)).toBe("a");
    expect(await readdir(at())).toEqual(["a"]);
    await input.close();
    const next = await open();
    again.settle({ outcome: "returned", reason: "closed" });
    expect(textOf(await next.next())).toBe("a");
  });

  test("a name that is taken among the handled files gets a number", async () => {
    const { open, put, at } = await place();
    const input = await open();
    for (let n = 0; n < 3; n++) {
      await put("report.csv", `report ${n}`);
      handled(await input.next());
      await until(async () => expect(await readdir(at("processed"))).toHaveLength(n + 1));
    }
    const names = ["report-1.csv", "report-2.csv", "report.csv"];
    expect((await readdir(at("processed"))).toSorted()).toEqual(names);
    expect(await readFile(at("processed", "report-2.csv"), "utf8")).toBe("report 2");
  });

  test("patterns say what is taken; unfinished files are left", async () => {
    const { open, put, nothingBefore } = await place();
    const input = await open({ include: "*.csv,*.txt", ignore: "old-*,*.part" });
    for (const name of ["a.json", "old-1.csv", "b.csv.part"]) await put(name);
    await nothingBefore(input);
    await put("c.csv");
    expect(textOf(await input.next())).toBe("c.csv");
  });

  test("subfolders are watched with recursive alone; handled files keep their place", async () => {
    const { open, put, at } = await place();
    for (const name of ["in", "in/sub"]) {
      await mkdir(at(name));
      await chmod(at(name), 0o777);
    }
    await put("in/sub/a.csv");
    await put("outside.csv");
    const flat = await open({ folder: "in" });
    await put("in/marker.txt");
    expect((await flat.next()).metadata["path"]).toBe("marker.txt");
    expect(flat.events).toHaveLength(1);
    await flat.close();
    await rm(at("in/marker.txt"));

    const input = await open({ folder: "in", recursive: "true", processedFolder: "/done" });
    const event = await input.next();
    expect(event.metadata).toMatchObject({ fileName: "a.csv", path: "sub/a.csv" });
    handled(event);
    await input.reader.flush();
    expect(await readdir(at("done/sub"))).toEqual(["a.csv"]);
    expect(await readdir(at())).toContain("outside.csv");
  });

  test("links, folders and files beyond maxSize are left alone, the last with one warning", async () => {
    const { open, put, at, nothingBefore } = await place();
    await symlink("/etc/passwd", at("link"));
    await mkdir(at("folder"));
    await put("large", "x".repeat(100));
    const input = await open({ maxSize: "50" });
    await nothingBefore(input);
    // Else the runtime takes the input for one that has stopped.
    await until(async () => expect(await sftpBacklog(input)).toBe(0));
    expect(input.logger.warn).toHaveBeenCalledTimes(1);
    expect(input.logger.warn).toHaveBeenCalledWith(
      expect.objectContaining({ file: "large", size: "100B" }),
      expect.stringContaining("larger than maxSize"),
    );
    await put("large", "small");
    expect(textOf(await input.next())).toBe("small");
  });

  test("a folder that is missing is a state, and is read once it is there", async () => {
    const { open, put, at } = await place();
    const input = await open({ folder: "in" });
    await until(() =>
      expect(input.logger.warn).toHaveBeenCalledWith(
        { reason: expect.stringContaining("does not exist on the server") as unknown },
        expect.any(String),
      ),
    );
    await mkdir(at("in"));
    await chmod(at("in"), 0o777);
    await put("in/a", "a");
    expect(textOf(await input.next())).toBe("a");
    await rm(at("in"), { recursive: true });
    await until(() => expect(input.logger.warn).toHaveBeenCalledTimes(2));
    expect(input.logger.info).toHaveBeenCalledWith({}, "the folder can be listed again");
  });

  test("a folder that leads out of the root by a link is a state, and nothing of it is read", async () => {
    const { open, at, rootPath } = await place();
    await mkdir(at("..", `${rootPath}-other`));
    await writeFile(at("..", `${rootPath}-other`, "secret"), "secret");
    await symlink(`../${rootPath}-other`, at("in"));
    const input = await open({ folder: "in" });
    await until(() =>
      expect(input.logger.warn).toHaveBeenCalledWith(
        { reason: expect.stringContaining("leads out of rootPath") as unknown },
        expect.any(String),
      ),
    );
    expect(input.events).toEqual([]);
  });

  test("a file that cannot be put away is not handed over again, and goes once it can be", async () => {
    const { open, put, at } = await place();
    const input = await open();
    await put("a");
    const event = await input.next();
    await chmod(at(), 0o555);
    handled(event);
    await until(() =>
      expect(input.logger.warn).toHaveBeenCalledWith(
        expect.objectContaining({ file: "a" }),
        expect.stringContaining("cannot be moved or deleted"),
      ),
    );
    await chmod(at(), 0o777);
    await until(async () => expect(await readdir(at())).toEqual(["processed"]));
    expect(input.events).toHaveLength(1);
  });

  test("a processed folder that is the folder itself, or has it inside, is refused", async () => {
    const { open } = await place();
    const invalid = { reason: "invalid_argument" };
    await expect(open({ processedFolder: "." })).rejects.toMatchObject(invalid);
    await expect(
      open({ folder: "in", processedFolder: "/", recursive: "true" }),
    ).rejects.toMatchObject(invalid);
  });

  test("no more is read than there is room for", async () => {
    const { open, put } = await place();
    for (let n = 0; n < 40; n++) await put(`file-${n}`, Buffer.alloc(1024 * 1024));
    const room = Promise.withResolvers<void>();
    const input = await open({ onHandled: "delete" }, { room: () => room.promise });
    await input.next();
    const before = process.memoryUsage().arrayBuffers;
    // Some looks later it is still so.
    await put("marker");
    await until(async () => expect(await sftpBacklog(input)).toBe(41));
    expect(input.events).toHaveLength(1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    room.resolve();
    await until(() => expect(input.events.length).toBe(41));
  });

  const sftpBacklog = (input: OpenedInput): Promise<number> =>
    sftp.backlog?.(input.connection as never, new AbortController().signal) ?? Promise.resolve(0);

  test("a connection that is cut: what is handled meanwhile is put away by the next one, and comes once", async () => {
    await using proxy = await startProxy(server);
    const { open, put, at } = await place();
    const through = { address: `${proxy.host}:${proxy.port}` };
    const first = await open(through);
    for (const name of ["a", "b", "c"]) await put(name);
    const events = [await first.next(), await first.next(), await first.next()];
    proxy.cut();
    await first.lost;
    await first.close();
    handled(events[0]!);
    const second = await open(through);
    handled(events[1]!);
    await until(async () => {
      expect((await readdir(at())).toSorted()).toEqual(["c", "processed"]);
    });
    // The app has it still.
    await put("d");
    expect(textOf(await second.next())).toBe("d");
    events[2]!.settle({ outcome: "returned", reason: "refused", after: 0 });
    expect(textOf(await second.next())).toBe("c");
  });

  test("a file that vanishes before it is read is no event", async () => {
    const { open, put, at, nothingBefore } = await place();
    const input = await open({ quietTime: "300ms" });
    await put("a");
    await until(async () => expect(await sftpBacklog(input)).toBe(1));
    await rename(at("a"), at("a.part"));
    await nothingBefore(input);
  });
});

test("hostile names in a listing are left out and told of once; those of no kind are looked at", async () => {
  const file = { size: 1, mtime: 1_700_000_000, uid: 0, gid: 0, atime: 0, mode: 0o100_644 };
  const bad = ["../x", "a/b", "/etc/passwd", "a\0b", "", "\u{FFFD}"];
  const server = await startStandIn({
    listing: () => [
      ...bad.map((filename) => ({ filename, attrs: file })),
      { filename: "good", attrs: { ...file, mode: 0 } },
    ],
  });
  server.files.set("/home/good", Buffer.from("!"));
  server.files.set("/x", Buffer.from("?"));
  const input = await openInput(sftp, { ...server.properties, ...quick, onHandled: "delete" });
  const event = await input.next();
  expect(event.metadata["path"]).toBe("good");
  handled(event);
  await until(() => expect(server.files.has("/home/good")).toBe(false));
  expect(input.events).toHaveLength(1);
  expect(input.logger.warn).toHaveBeenCalledTimes(1);
  expect(server.files.has("/x")).toBe(true);
});
