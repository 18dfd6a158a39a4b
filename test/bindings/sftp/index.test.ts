// Against OpenSSH: what the operations do, and what they leave alone.
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import sftp from "../../../src/bindings/sftp/index.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { allBytes, openOutput, textOf } from "../opened-output.ts";

describeWith("openssh", { own: true }, (server) => {
  const address = `${server.host}:${server.port}`;

  /** A root of the test's own. */
  async function place(properties: Record<string, string> = {}) {
    const root = uniqueName("root");
    const output = await openOutput(sftp, {
      ...{ address, ...server.login, rootPath: root },
      ...properties,
    });
    const at = (...names: string[]): string => join(server.files, root, ...names);
    return { root, output, at };
  }

  async function put(path: string, data: string | Uint8Array): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    await chmod(dirname(path), 0o777);
    await writeFile(path, data);
  }

  test("a file is created with the folders above it, read, listed and deleted", async () => {
    const { output, at, root } = await place();
    const created = await output.invoke("create", { fileName: "a/b/c.bin" }, { data: allBytes });
    expect(created?.metadata).toEqual({ fileName: "c.bin" });
    expect(textOf(created)).toBe('{"fileName":"c.bin"}');
    expect(new Uint8Array(await readFile(at("a/b/c.bin")))).toEqual(allBytes);
    const got = await output.invoke("get", { fileName: "a/b/c.bin" });
    expect(new Uint8Array(got?.data ?? [])).toEqual(allBytes);
    expect(textOf(await output.invoke("list", { fileName: "a" }))).toBe(
      '[{"fileName":"b","isDirectory":true}]',
    );
    expect(textOf(await output.invoke("list", { rootPath: `${root}/a/b` }))).toBe(
      '[{"fileName":"c.bin","isDirectory":false}]',
    );
    expect(await output.invoke("delete", { fileName: "a/b/c.bin" })).toBeUndefined();
    await output.invoke("delete", { fileName: "a/b" });
    expect(textOf(await output.invoke("list", { fileName: "a" }))).toBe("[]");
  });

  test("a file that is replaced keeps its mode, and nothing is left beside it", async () => {
    const { output, at } = await place();
    await output.invoke("create", { fileName: "a" }, { data: "a long text" });
    await chmod(at("a"), 0o600);
    await output.invoke("create", { fileName: "a" }, { data: "short" });
    expect(await readFile(at("a"), "utf8")).toBe("short");
    expect((await stat(at("a"))).mode & 0o777).toBe(0o600);
    expect(await readdir(at())).toEqual(["a"]);
  });

  test("a file may be empty, and without data it is", async () => {
    const { output, at } = await place();
    await output.invoke("create", { fileName: "a" }, { data: "" });
    await output.invoke("create", { fileName: "b" }, { encoding: "json" });
    expect([await readFile(at("a"), "utf8"), await readFile(at("b"), "utf8")]).toEqual(["", ""]);
    expect((await output.invoke("get", { fileName: "a" }))?.data).toHaveLength(0);
  });

  test("without a root names start at the login folder; names of metadata are in any case", async () => {
    const output = await openOutput(sftp, { address, ...server.login });
    const name = uniqueName("file");
    await output.invoke("create", { FILENAME: name }, { data: "x" });
    expect(await readFile(join(server.files, name), "utf8")).toBe("x");
    expect(textOf(await output.invoke("get", { rootPath: name }))).toBe("x");
    await expect(output.invoke("list")).rejects.toThrow(
      "sftp binding error: required metadata rootPath or fileName missing",
    );
  });

  test("names stay below the root: parents, absolute ones, links", async () => {
    const { output, at, root } = await place();
    await output.invoke("create", { fileName: "inside/file" }, { data: "mine" });
    await put(join(server.files, `${root}-secret`, "file"), "secret");
    const outside = join(server.files, `${root}-secret`);
    await symlink(outside, at("out"));
    await symlink(join(outside, "file"), at("out-file"));
    await symlink("inside", at("in"));
    const leads = { reason: "permission_denied", effect: "rejected" };
    for (const fileName of [
      ...[`../${root}-secret/file`, "..", "inside/../../x", `/../${root}-secret/file`],
      ...["out/file", "out", "out-file", "in/../../x", "out/new"],
    ]) {
      for (const operation of ["create", "get", "list", "delete"]) {
        // A link is deleted itself, and what it leads to is not.
        if (operation === "delete" && /^out(-file)?$/.test(fileName)) continue;
        await expect(
          output.invoke(operation, { fileName }),
          `${operation} ${fileName}`,
        ).rejects.toMatchObject(leads);
      }
    }
    expect(await readdir(outside)).toEqual(["file"]);
    expect(textOf(await output.invoke("get", { fileName: "/inside/file" }))).toBe("mine");
    expect(textOf(await output.invoke("get", { fileName: "in/file" }))).toBe("mine");
    await output.invoke("delete", { fileName: "out" });
    await output.invoke("delete", { fileName: "out-file" });
    expect(await readFile(join(outside, "file"), "utf8")).toBe("secret");
    await expect(output.invoke("delete", { fileName: "." })).rejects.toMatchObject({
      reason: "invalid_argument",
    });
  });

  test("a link in the root is written through, not replaced", async () => {
    const { output, at } = await place();
    await output.invoke("create", { fileName: "real" }, { data: "old" });
    await symlink("real", at("link"));
    await output.invoke("create", { fileName: "link" }, { data: "new" });
    expect(await readFile(at("real"), "utf8")).toBe("new");
  });

  test("a call's own root stays below the component's, unless that is allowed", async () => {
    const { output, root } = await place();
    await put(join(server.files, `${root}-other`, "file"), "other");
    await output.invoke("create", { fileName: "a", rootPath: `${root}/sub` }, { data: "x" });
    expect(textOf(await output.invoke("get", { fileName: "sub/a" }))).toBe("x");
    for (const rootPath of ["/", `${root}-other`, `${root}/../${root}-other`, "."]) {
      const denied = { reason: "permission_denied" };
      await expect(output.invoke("get", { fileName: "file", rootPath })).rejects.toMatchObject(
        denied,
      );
    }
    const { output: free } = await place({ rootPath: root, allowRootOverride: "true" });
    const rootPath = `${root}-other`;
    expect(textOf(await free.invoke("get", { fileName: "file", rootPath }))).toBe("other");
    await expect(free.invoke("get", { fileName: "../file", rootPath })).rejects.toMatchObject({
      reason: "permission_denied",
    });
  });

  test("what the server refuses has its code, and is not repeated", async () => {
    const { output, at } = await place();
    await put(at("locked/file"), "x");
    await chmod(at("locked/file"), 0o600);
    await chmod(at("locked"), 0o755);
    const cases: [string, string, string, string][] = [
      ["get", "missing", "not_found", "SSH_FX_NO_SUCH_FILE"],
      ["get", "locked/file", "permission_denied", "SSH_FX_PERMISSION_DENIED"],
      ["create", "locked/new", "permission_denied", "SSH_FX_PERMISSION_DENIED"],
      ["delete", "locked/file", "permission_denied", "SSH_FX_PERMISSION_DENIED"],
      ["delete", "locked", "permission_denied", "SSH_FX_PERMISSION_DENIED"],
      ["list", "missing", "not_found", "SSH_FX_NO_SUCH_FILE"],
      ["get", "locked", "failed_precondition", "SSH_FX_FAILURE"],
    ];
    for (const [operation, fileName, reason, systemCode] of cases) {
      const failure = { reason, systemCode, effect: "rejected" };
      await expect(
        output.invoke(operation, { fileName }),
        `${operation} ${fileName}`,
      ).rejects.toMatchObject(failure);
    }
    // A file that may be written where no other may be made is written in place.
    await chmod(at("locked/file"), 0o666);
    await output.invoke("create", { fileName: "locked/file" }, { data: "in place" });
    expect(await readFile(at("locked/file"), "utf8")).toBe("in place");
  });

  test("hostile names are refused or are names", async () => {
    const { output, at } = await place();
    const long = "n".repeat(65_536);
    for (const fileName of ["a\0b", "../\0", long, "\ud800"]) {
      for (const operation of ["create", "get", "list", "delete"]) {
        await expect(output.invoke(operation, { fileName })).rejects.toMatchObject({
          ...{ reason: "invalid_argument", effect: "rejected" },
        });
        await expect(output.invoke(operation, { rootPath: fileName })).rejects.toMatchObject({
          ...{ reason: "invalid_argument", effect: "rejected" },
        });
      }
    }
    const names = ["a\r\nb", `'"`, "$(id)", "*", "-rf", "grün ✓", "a;b|c&d", "\\", " ", "%2e%2e"];
    for (const fileName of names) await output.invoke("create", { fileName }, { data: fileName });
    expect((await readdir(at())).toSorted()).toEqual(names.toSorted());
    await expect(output.invoke("get", { fileName: "n".repeat(300) })).rejects.toMatchObject({
      systemCode: "SSH_FX_BAD_MESSAGE",
    });
    const listed = JSON.parse(textOf(await output.invoke("list", { fileName: "." })) ?? "") as {
      fileName: string;
    }[];
    expect(listed.map(({ fileName }) => fileName)).toEqual(names.toSorted());
    for (const fileName of names) await output.invoke("delete", { fileName });
    expect(await readdir(at())).toEqual([]);
  });

  test("an upload that is cut leaves the old file and nothing beside it", async () => {
    const { output, at } = await place();
    await output.invoke("create", { fileName: "a" }, { data: "old" });
    async function* cut() {
      yield Buffer.alloc(100_000);
      throw new Error("the caller has gone");
    }
    await expect(output.invokeStream("create", { fileName: "a" }, cut())).rejects.toThrow(
      "the caller has gone",
    );
    expect(await readFile(at("a"), "utf8")).toBe("old");
    expect(await readdir(at())).toEqual(["a"]);

    async function* aborted() {
      yield Buffer.alloc(100_000);
    }
    await expect(
      output.invokeStream("create", { fileName: "b/c" }, aborted()),
    ).resolves.toBeTruthy();
    const ended = new AbortController();
    const call = output.invoke("create", { fileName: "c" }, { data: "x", signal: ended.signal });
    ended.abort();
    await expect(call).rejects.toMatchObject({ reason: "cancelled" });
    expect(textOf(await output.invoke("get", { fileName: "a" }))).toBe("old");
  });

  test("a file that is too large for the memory budget is refused whole, and comes in parts", async () => {
    const { root, at } = await place();
    await put(at("large"), Buffer.alloc(3 * 1024 * 1024, 7));
    const memory = new MemoryBudget(2 * 1024 * 1024).share("test");
    const properties = { address, ...server.login, rootPath: root };
    const output = await openOutput(sftp, properties, undefined, memory);
    await expect(output.invoke("get", { fileName: "large" })).rejects.toMatchObject({
      reason: "resource_exhausted",
    });
    expect(memory.used).toBe(0);
    const answer = await output.invokeStream("get", { fileName: "large" }, none());
    let length = 0;
    for await (const part of answer?.body ?? []) length += part.length;
    expect(length).toBe(3 * 1024 * 1024);
  });

  test("in sequential mode one operation follows another", async () => {
    const { output, at } = await place({ sequentialMode: "true" });
    await put(at("large"), Buffer.alloc(1024 * 1024, 7));
    const answer = await output.invokeStream("get", { fileName: "large" }, none());
    const parts = answer?.body?.[Symbol.asyncIterator]();
    await parts?.next();
    let isCreated = false;
    const created = output.invoke("create", { fileName: "a" }, { data: "x" }).then(() => {
      isCreated = true;
    });
    while ((await parts?.next())?.done === false) expect(isCreated).toBe(false);
    await created;
  });

  test("an answer that nobody reads to the end gives its file back", async () => {
    const { output, at } = await place({ sequentialMode: "true" });
    await put(at("large"), Buffer.alloc(1024 * 1024, 7));
    for (let n = 0; n < 3; n++) {
      const answer = await output.invokeStream("get", { fileName: "large" }, none());
      for await (const part of answer?.body ?? []) if (part.length > 0) break;
      // One that is not even begun.
      await output.invokeStream("get", { fileName: "large" }, none());
    }
    expect(await output.invoke("list", { fileName: "." })).toBeTruthy();
  });
});

async function* none(): AsyncGenerator<Uint8Array> {}
