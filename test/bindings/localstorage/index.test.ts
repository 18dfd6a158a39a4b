import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import localstorage from "../../../src/bindings/localstorage/index.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { allBytes, openOutput, textOf } from "../opened-output.ts";
import type { OpenedOutput } from "../opened-output.ts";

let base: string;
let root: string;
let output: OpenedOutput;
beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "cufflink-localstorage-")));
  root = join(base, "root");
  output = await openOutput(localstorage, { rootPath: root });
});
afterEach(() => rm(base, { recursive: true, force: true }));

const nameOf = (data: string | undefined): string => JSON.parse(data ?? "").fileName;

describe("create and get", () => {
  test.each([
    ["every byte", allBytes],
    ["nothing", new Uint8Array()],
    ["1 MiB", new Uint8Array(2 ** 20).fill(7)],
    ["what looks like base64", Buffer.from("abcd")],
    ["what looks quoted", Buffer.from('"abcd"')],
  ])("keep %s as it is", async (_title, data) => {
    const answer = await output.invoke("create", { fileName: "a/b/file" }, { data });
    expect(textOf(answer)).toBe('{"fileName":"a/b/file"}');
    const got = await output.invoke("get", { fileName: "a/b/file" });
    expect(Buffer.compare(got?.data ?? Buffer.from("none"), data)).toBe(0);
    expect(Buffer.compare(await readFile(join(root, "a/b/file")), data)).toBe(0);
  });

  test.each([
    ['"aGVsbG8="', "hello"],
    ['"aGVs\\r\\nbG8="', "hello"],
    ['"hello world"', "hello world"],
    ['"aGVsbG8"', "aGVsbG8"],
    ['"a\\"b\\n\\ud83d\\ude00 ü"', 'a"b\n😀 ü'],
    ['{"b":1,"a":"x"}', '{"b":1,"a":"x"}'],
    ["true", "true"],
    ["12345678901234567890", "12345678901234567890"],
    ["null", ""],
    ['""', ""],
  ])("over HTTP %s is stored as %j", async (data, stored) => {
    await output.invoke("create", { fileName: "f" }, { data, encoding: "json" });
    expect(await readFile(join(root, "f"), "utf8")).toBe(stored);
  });

  test("without a name there is a random one", async () => {
    const first = nameOf(textOf(await output.invoke("create", {}, { data: "x" })));
    const second = nameOf(textOf(await output.invoke("create", { fileName: "" }, { data: "y" })));
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    expect(second).not.toBe(first);
    expect(textOf(await output.invoke("get", { fileName: first }))).toBe("x");
  });

  test("a file is replaced whole, its mode kept, and nothing else is left", async () => {
    await output.invoke("create", { fileName: "f" }, { data: "long content" });
    await chmod(join(root, "f"), 0o640);
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const data = `${index % 10}`.repeat(100_000);
        await output.invoke("create", { fileName: "f" }, { data });
        const got = textOf(await output.invoke("get", { fileName: "f" }));
        expect(got).toBe(got?.[0]?.repeat(100_000));
      }),
    );
    expect(await readdir(root)).toEqual(["f"]);
    expect((await stat(join(root, "f"))).mode & 0o777).toBe(0o640);
  });

  test("a folder is no file", async () => {
    await mkdir(join(root, "folder"));
    await expect(output.invoke("create", { fileName: "folder" })).rejects.toMatchObject({
      reason: "failed_precondition",
      message: `error creating file ${root}/folder: open ${root}/folder: is a directory`,
    });
    await expect(output.invoke("get", { fileName: "folder" })).rejects.toThrow("is a directory");
    await writeFile(join(root, "file"), "");
    await expect(output.invoke("create", { fileName: "file/x" })).rejects.toMatchObject({
      reason: expect.stringMatching(/failed_precondition|already_exists/),
    });
  });

  test("a pipe is not waited for", async () => {
    execFileSync("mkfifo", [join(root, "pipe")]);
    await expect(output.invoke("get", { fileName: "pipe" })).rejects.toThrow("no regular file");
  });

  test("a file that is missing", async () => {
    await expect(output.invoke("get", { fileName: "no/such" })).rejects.toMatchObject({
      reason: "not_found",
      effect: "rejected",
      message: `file not found: ${root}/no/such`,
    });
    await expect(output.invoke("get")).rejects.toThrow("missing fileName");
  });

  test.each([
    ["a NUL", "a\0b", "invalid argument"],
    ["a long part", "x".repeat(300), "name too long"],
    ["a long path", "x/".repeat(3000), "file name too long"],
  ])("%s is refused", async (_title, fileName, message) => {
    await expect(output.invoke("create", { fileName }, { data: "x" })).rejects.toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining(message),
    });
    expect(await readdir(root)).toEqual([]);
  });
});

describe("no name leads out", () => {
  test.each([
    ["../outside", "outside"],
    ["../../../../outside", "outside"],
    ["/etc/outside", "etc/outside"],
    ["a/../../outside", "outside"],
    ["a/./b//../outside", "a/outside"],
    ["..", undefined],
    ["..\\outside", "..\\outside"],
    ["%2e%2e/outside", "%2e%2e/outside"],
  ])("%j", async (fileName, inside) => {
    const answer = await output
      .invoke("create", { fileName }, { data: "x" })
      .then(textOf, () => undefined);
    expect(answer === undefined ? undefined : nameOf(answer)).toBe(inside);
    expect(await readdir(base)).toEqual(["root"]);
  });

  test("links are followed as if the root were /", async () => {
    const outside = join(base, "outside");
    await mkdir(outside);
    await writeFile(join(outside, "secret"), "s3cret");
    await symlink(outside, join(root, "absolute"));
    await symlink("../outside", join(root, "relative"));
    await symlink("../../../..", join(root, "up"));
    await symlink(join(outside, "secret"), join(root, "file"));
    await symlink("/", join(root, "everything"));
    for (const fileName of [
      "absolute/secret",
      "relative/secret",
      `up${outside}/secret`,
      "file",
      `everything${outside}/secret`,
    ]) {
      const before = output.invoke("get", { fileName }).then(textOf, String);
      // Some of the names are the same file.
      expect(await before).toMatch(/^mine$|file not found/);
      await output.invoke("create", { fileName }, { data: "mine" });
      expect(textOf(await output.invoke("get", { fileName }))).toBe("mine");
    }
    expect(await readFile(join(outside, "secret"), "utf8")).toBe("s3cret");
    expect(await readdir(outside)).toEqual(["secret"]);
  });

  test("links in a circle end", async () => {
    await symlink("b", join(root, "a"));
    await symlink("a", join(root, "b"));
    await expect(output.invoke("get", { fileName: "a" })).rejects.toMatchObject({
      systemCode: "ELOOP",
    });
  });
});

describe("an absolute path inside the root", () => {
  const list = async (fileName = ""): Promise<string[]> =>
    JSON.parse(textOf(await output.invoke("list", { fileName })) ?? "") ?? [];

  test("what list answers can be read, listed, replaced and deleted", async () => {
    for (const fileName of ["a", "b/c", "b/d e"]) {
      await output.invoke("create", { fileName }, { data: fileName });
    }
    expect(await list(join(root, "b"))).toEqual([join(root, "b/c"), join(root, "b/d e")]);
    for (const path of await list()) {
      expect(join(root, textOf(await output.invoke("get", { fileName: path })) ?? "")).toBe(path);
      await output.invoke("create", { fileName: path }, { data: "new" });
      expect(await readFile(path, "utf8")).toBe("new");
      await output.invoke("delete", { fileName: path });
    }
    expect(await list()).toEqual([]);
  });

  test("a file of that whole name below the root goes first, and create makes it as Dapr does", async () => {
    await writeFile(join(root, "twice"), "outer");
    const below = join(root, root, "new");
    await output.invoke("create", { fileName: join(root, "new") }, { data: "inner" });
    expect(await readFile(below, "utf8")).toBe("inner");
    await writeFile(join(root, "new"), "outer");
    expect(textOf(await output.invoke("get", { fileName: join(root, "new") }))).toBe("inner");
    expect(textOf(await output.invoke("get", { fileName: join(root, "twice") }))).toBe("outer");
  });

  test("the path that the component says counts as well as the real one", async () => {
    const link = join(base, "link");
    await symlink(root, link);
    await writeFile(join(root, "file"), "x");
    await using linked = await openOutput(localstorage, { rootPath: link });
    for (const fileName of [join(link, "file"), join(root, "file")])
      expect(textOf(await linked.invoke("get", { fileName }))).toBe("x");
  });

  test("it leads out of the root no more than any other name", async () => {
    await writeFile(join(base, "secret"), "s3cret");
    await symlink(join(base, "secret"), join(root, "link"));
    await symlink(base, join(root, "above"));
    for (const name of ["../secret", "..", "link", "above/secret", "b/../../secret"]) {
      await expect(output.invoke("get", { fileName: `${root}/${name}` })).rejects.toThrow();
      await output.invoke("delete", { fileName: `${root}/${name}` }).catch(() => undefined);
    }
    for (const fileName of [root, `${root}/`, `${root}/.`])
      await expect(output.invoke("delete", { fileName })).rejects.toThrow(/root itself/);
    await expect(output.invoke("get", { fileName: `${root}er/secret` })).rejects.toThrow();
    expect(await readFile(join(base, "secret"), "utf8")).toBe("s3cret");
  });

  test("a path that names nothing is told as Dapr tells it", async () => {
    const fileName = join(root, "missing");
    await expect(output.invoke("get", { fileName })).rejects.toThrow(
      `file not found: ${join(root, root, "missing")}`,
    );
  });
});

describe("list", () => {
  test("absolute paths in lexical order, without folders, links not followed", async () => {
    for (const fileName of ["b/2", "b/10", "a", "c/d/e", "b-c", "ü", "Z"]) {
      await output.invoke("create", { fileName }, { data: "x" });
    }
    await mkdir(join(root, "empty"));
    await symlink("b", join(root, "link"));
    const list = JSON.parse(textOf(await output.invoke("list")) ?? "");
    expect(list).toEqual(
      ["Z", "a", "b/10", "b/2", "b-c", "c/d/e", "link", "ü"].map((file) => join(root, file)),
    );
    const below = JSON.parse(textOf(await output.invoke("list", { fileName: "b" })) ?? "");
    expect(below).toEqual([join(root, "b/10"), join(root, "b/2")]);
  });

  test("null when there is no file", async () => {
    expect(textOf(await output.invoke("list"))).toBe("null");
  });

  test("of a file, or of what is missing", async () => {
    await output.invoke("create", { fileName: "f" }, { data: "x" });
    await expect(output.invoke("list", { fileName: "f" })).rejects.toThrow(
      `unable to list files as the file specified is not a directory: ${root}/f`,
    );
    await expect(output.invoke("list", { fileName: "no" })).rejects.toMatchObject({
      reason: "not_found",
      message: `error getting stats for path ${root}/no: stat ${root}/no: no such file or directory`,
    });
  });
});

describe("delete", () => {
  test("a file, a link, an empty folder; not a full one", async () => {
    await output.invoke("create", { fileName: "folder/f" }, { data: "x" });
    await symlink("f", join(root, "folder/link"));
    await expect(output.invoke("delete", { fileName: "folder" })).rejects.toMatchObject({
      reason: "failed_precondition",
      systemCode: "ENOTEMPTY",
    });
    await output.invoke("delete", { fileName: "folder/link" });
    expect(await readdir(join(root, "folder"))).toEqual(["link"]);
    await rm(join(root, "folder/link"));
    expect(await output.invoke("delete", { fileName: "folder" })).toBeUndefined();
    expect(await readdir(root)).toEqual([]);
  });

  test.each([{}, { fileName: "" }, { fileName: "/" }, { fileName: "a/.." }, { fileName: "../.." }])(
    "never the root: %j",
    async (metadata) => {
      await expect(
        output.invoke("delete", metadata as Record<string, string>),
      ).rejects.toMatchObject({ reason: "invalid_argument" });
      expect((await stat(root)).isDirectory()).toBe(true);
    },
  );

  test("what is missing", async () => {
    await expect(output.invoke("delete", { fileName: "no" })).rejects.toMatchObject({
      reason: "not_found",
      message: `error deleting file ${root}/no: remove ${root}/no: no such file or directory`,
    });
  });
});

describe("in parts", () => {
  async function* parts(...all: Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* all;
  }

  test("create writes them as they come, and get reads them back", async () => {
    const mebibyte = Buffer.alloc(2 ** 20, "x");
    const body = parts(Buffer.from("begin "), mebibyte, allBytes);
    const answer = await output.invokeStream("create", { fileName: "a/b/file" }, body);
    expect(textOf(answer)).toBe('{"fileName":"a/b/file"}');
    const whole = Buffer.concat([Buffer.from("begin "), mebibyte, allBytes]);
    expect(Buffer.compare(await readFile(join(root, "a/b/file")), whole)).toBe(0);
    expect(await readdir(join(root, "a/b"))).toEqual(["file"]);
    const got = await output.invokeStream("get", { fileName: "a/b/file" }, parts());
    const came: Buffer[] = [];
    for await (const part of got?.body ?? []) came.push(Buffer.from(part));
    expect(Buffer.concat(came).equals(whole)).toBe(true);
    expect(Math.max(...came.map(({ length }) => length))).toBe(64 * 1024);
  });

  test("nothing is an empty file, and no name a random one", async () => {
    const name = nameOf(textOf(await output.invokeStream("create", {}, parts())));
    expect(await readFile(join(root, name), "utf8")).toBe("");
    const got = await output.invokeStream("get", { fileName: name }, parts());
    for await (const part of got?.body ?? []) expect(part).toBeUndefined();
  });

  test("an upload that breaks leaves what was there before, and nothing else", async () => {
    await output.invoke("create", { fileName: "file" }, { data: "old" });
    const broken = (async function* () {
      yield Buffer.from("new");
      // Not before it is written.
      await expect.poll(async () => (await readdir(root)).length).toBe(2);
      throw new Error("cancelled by the caller");
    })();
    const upload = output.invokeStream("create", { fileName: "file" }, broken);
    await expect(upload).rejects.toThrow("cancelled by the caller");
    expect(await readdir(root)).toEqual(["file"]);
    expect(await readFile(join(root, "file"), "utf8")).toBe("old");
  });

  test("what cannot be read says so as ever", async () => {
    const read = async (fileName: string): Promise<void> => {
      const got = await output.invokeStream("get", { fileName }, parts());
      for await (const _ of got?.body ?? []);
    };
    await expect(read("nosuch")).rejects.toMatchObject({
      reason: "not_found",
      message: `file not found: ${root}/nosuch`,
    });
    await output.invoke("create", { fileName: "folder/f" }, { data: "x" });
    await expect(read("folder")).rejects.toMatchObject({ reason: "failed_precondition" });
    await expect(read("")).rejects.toThrow("missing fileName");
  });

  test("a file whose reader turns away is closed", async () => {
    const path = join(root, "file");
    const isOpen = async (): Promise<boolean> => {
      const links = (await readdir("/proc/self/fd")).map((fd) =>
        readlink(`/proc/self/fd/${fd}`).catch(() => ""),
      );
      return (await Promise.all(links)).includes(path);
    };
    await output.invoke("create", { fileName: "file" }, { data: new Uint8Array(200_000) });
    const got = await output.invokeStream("get", { fileName: "file" }, parts());
    expect(await isOpen()).toBe(false);
    for await (const part of got?.body ?? []) {
      expect(part).toHaveLength(64 * 1024);
      expect(await isOpen()).toBe(true);
      break;
    }
    expect(await isOpen()).toBe(false);
  });
});

describe("the root", () => {
  test("is made with its parents, and may be a link", async () => {
    await symlink(base, join(base, "link"));
    const rootPath = join(base, "link/deep/er");
    await using other = await openOutput(localstorage, { rootPath });
    await other.invoke("create", { fileName: "f" }, { data: "x" });
    expect(JSON.parse(textOf(await other.invoke("list")) ?? "")).toEqual([join(base, "deep/er/f")]);
  });

  test("must be no file", async () => {
    await writeFile(join(base, "file"), "");
    await expect(openOutput(localstorage, { rootPath: join(base, "file") })).rejects.toThrow(
      "failed to parse metadata: property rootPath represents a file and not a directory",
    );
  });

  test.each(["/proc", "/sys/x", "/boot", "/var/run/secrets/x", "/run/secrets", "/tmp/../proc/1"])(
    "must not be %s",
    async (rootPath) => {
      await expect(openOutput(localstorage, { rootPath })).rejects.toThrow(
        "failed to parse metadata: property rootPath points to a disallowed location",
      );
    },
  );

  test("must not be a link to such a place", async () => {
    await symlink("/proc", join(base, "innocent"));
    await expect(openOutput(localstorage, { rootPath: join(base, "innocent/x") })).rejects.toThrow(
      "points to a disallowed location",
    );
  });

  test("must be given", async () => {
    await expect(openOutput(localstorage, {})).rejects.toThrow("is required");
  });
});

test("a file that is larger than memory has room for is refused whole, and read in parts", async () => {
  const memory = new MemoryBudget(2_000_000).share("test");
  const signal = AbortSignal.timeout(20_000);
  await using small = await openOutput(localstorage, { rootPath: root }, signal, memory);
  await writeFile(join(root, "large"), Buffer.alloc(1_000_001, 1));
  await writeFile(join(root, "fits"), Buffer.alloc(1_000_000, 1));
  await expect(small.invoke("get", { fileName: "large" })).rejects.toMatchObject({
    reason: "resource_exhausted",
    message: expect.stringMatching(/no room for its 1000001 bytes; .*InvokeBindingStream/),
  });
  expect((await small.invoke("get", { fileName: "fits" }))?.data).toHaveLength(1_000_000);
  const parts = await small.invokeStream("get", { fileName: "large" }, (async function* () {})());
  let size = 0;
  for await (const part of parts?.body ?? []) size += part.length;
  expect(size).toBe(1_000_001);
  expect(memory.used).toBe(0);
});

test("a list for which memory has no room is refused", async () => {
  const memory = new MemoryBudget(200_000).share("test");
  const signal = AbortSignal.timeout(20_000);
  await using small = await openOutput(localstorage, { rootPath: root }, signal, memory);
  await Promise.all(
    Array.from({ length: 500 }, (_, n) => writeFile(join(root, `${n}`.padStart(200, "0")), "")),
  );
  await expect(small.invoke("list")).rejects.toMatchObject({
    reason: "resource_exhausted",
    message: expect.stringContaining("no room for all paths"),
  });
  expect(memory.used).toBe(0);
});
