// Against a stand-in that counts: what each failure is told as, and how many requests it costs.
import { expect, test } from "vitest";
import { failureOf, statusFailure } from "../../../src/bindings/sftp/failures.ts";
import sftp from "../../../src/bindings/sftp/index.ts";
import { reservePort } from "../../servers/ports.ts";
import { openOutput, textOf } from "../opened-output.ts";
import { startStandIn, type Reaction } from "./stand-in.ts";

const data = "content";

/** Requests that change something at the server. */
const changes = (requests: readonly string[]): string[] =>
  requests.filter((one) => /^(OPEN|WRITE|REMOVE|RENAME|MKDIR|RMDIR)$/.test(one));

test("without a server nothing is sent", async () => {
  const address = `127.0.0.1:${await reservePort()}`;
  const properties = { address, username: "shop", password: "x", insecureIgnoreHostKey: "true" };
  await expect(openOutput(sftp, properties)).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
    message: expect.stringContaining(address) as unknown,
  });
});

test("a connection that has ended: nothing is sent, and the runtime is told", async () => {
  const server = await startStandIn({ react: () => "cut" });
  await expect(openOutput(sftp, server.properties)).rejects.toMatchObject({ effect: "unsent" });
  let isOpen = true;
  const other = await startStandIn({ react: (request) => (isOpen ? undefined : cutAt(request)) });
  const output = await openOutput(sftp, other.properties);
  isOpen = false;
  await expect(output.invoke("get", { fileName: "a" })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "ambiguous" },
  });
  await output.lost;
  const before = other.requests.length;
  for (const operation of ["create", "get", "list", "delete"]) {
    await expect(output.invoke(operation, { fileName: "a" })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent" },
    });
  }
  expect(other.requests).toHaveLength(before);
  expect(other.connections).toBe(1);
});

const cutAt = (_request: string): Reaction => "cut";

/** Each operation, the request that matters, and what it costs when it goes wrong there. */
const cases: readonly [operation: string, at: string, sent: readonly string[]][] = [
  ["create", "OPEN", ["OPEN"]],
  ["create", "WRITE", ["OPEN", "WRITE"]],
  ["create", "CLOSE", ["OPEN", "WRITE"]],
  ["create", "RENAME", ["OPEN", "WRITE", "REMOVE", "RENAME"]],
  ["get", "OPEN", ["OPEN"]],
  ["get", "READ", ["OPEN"]],
  ["list", "READDIR", []],
  ["delete", "REMOVE", ["REMOVE"]],
];

test.each(cases)("%s, cut at %s: once, and it may have happened", async (operation, at, sent) => {
  const server = await startStandIn({ react: (one) => (one === at ? "cut" : undefined) });
  server.files.set("/home/a", Buffer.from("old"));
  const output = await openOutput(sftp, server.properties);
  const fileName = operation === "list" ? "." : "a";
  const before = server.requests.length;
  await expect(output.invoke(operation, { fileName }, { data })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "ambiguous" },
  });
  await output.lost;
  const requests = changes(server.requests.slice(before));
  // Where no file can be replaced at once, the old one goes first.
  expect(requests).toEqual(sent);
  if (operation === "create" && at !== "RENAME") {
    expect(server.files.get("/home/a")?.toString()).toBe("old");
  }
});

test.each(["refused", "given up by the caller"])(
  "a file that cannot be replaced at once is not lost when the rename is %s",
  async (how) => {
    const ended = new AbortController();
    const isRefused = how === "refused";
    const server = await startStandIn({
      react(one, path) {
        if (isRefused) return one === "RENAME" ? { status: 4 } : undefined;
        if (one === "REMOVE" && path === "/home/a") ended.abort();
        return undefined;
      },
    });
    server.files.set("/home/a", Buffer.from("old"));
    const output = await openOutput(sftp, server.properties);
    const { signal } = ended;
    const created = output.invoke("create", { fileName: "a" }, { data, signal });
    if (isRefused) await created;
    else await expect(created).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
    const files = [...server.files].map(([path, content]) => [path, String(content)]);
    expect(files).toEqual([["/home/a", data]]);
  },
);

test.each(cases)("%s, no answer to %s: the caller's time ends it", async (operation, at) => {
  const ended = new AbortController();
  const server = await startStandIn({
    react(one) {
      if (one !== at) return undefined;
      ended.abort(new DOMException("late", "TimeoutError"));
      return "swallow";
    },
  });
  server.files.set("/home/a", Buffer.from("old"));
  const output = await openOutput(sftp, server.properties);
  const fileName = operation === "list" ? "." : "a";
  const { signal } = ended;
  await expect(output.invoke(operation, { fileName }, { data, signal })).rejects.toMatchObject({
    ...{ reason: "deadline_exceeded", effect: "ambiguous" },
  });
  expect(server.requests.filter((one) => one === at)).toHaveLength(1);
});

const refusals: readonly [status: number, reason: string, systemCode: string][] = [
  [3, "permission_denied", "SSH_FX_PERMISSION_DENIED"],
  [4, "failed_precondition", "SSH_FX_FAILURE"],
  [8, "unimplemented", "SSH_FX_OP_UNSUPPORTED"],
];

test("codes of later versions of the protocol are known, and others are shown", () => {
  const told = (status: number) => failureOf("x", statusFailure(status, "a\r\n  b"));
  expect(told(14)).toMatchObject({
    ...{ reason: "resource_exhausted", effect: "rejected" },
    systemCode: "SSH_FX_NO_SPACE_ON_FILESYSTEM",
  });
  expect(told(99)).toMatchObject({
    ...{ reason: "failed_precondition", effect: "rejected", systemCode: "99" },
    message: 'sftp binding error: x: sftp: "a b" (status 99)',
  });
});

test.each(refusals)("status %i is %s, asked for once", async (status, reason, systemCode) => {
  const reaction = { status, words: "no\r\nsuch luck" };
  const server = await startStandIn({ react: (one) => (one === "WRITE" ? reaction : undefined) });
  const output = await openOutput(sftp, server.properties);
  await expect(output.invoke("create", { fileName: "a" }, { data })).rejects.toMatchObject({
    ...{ reason, effect: "rejected", systemCode },
    message: expect.not.stringContaining("\n") as unknown,
  });
  expect(changes(server.requests)).toEqual(["OPEN", "WRITE", "REMOVE"]);
  expect([...server.files.keys()]).toEqual([]);
});

test("a server that says that its own connection is lost leaves open what happened", async () => {
  const server = await startStandIn({
    react: (one) => (one === "REMOVE" ? { status: 7 } : undefined),
  });
  const output = await openOutput(sftp, server.properties);
  await expect(output.invoke("delete", { fileName: "a" })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "ambiguous", systemCode: "SSH_FX_CONNECTION_LOST" },
  });
});

test("a server without a request that replaces has the file replaced all the same", async () => {
  const server = await startStandIn();
  server.files.set("/home/a", Buffer.from("old"));
  const output = await openOutput(sftp, server.properties);
  await output.invoke("create", { fileName: "a" }, { data: "new" });
  expect([...server.files].map(([path, content]) => [path, String(content)])).toEqual([
    ["/home/a", "new"],
  ]);
});

test("where no file may be renamed it is written in place, as with writeInPlace", async () => {
  const server = await startStandIn({
    react: (one) => (one === "RENAME" ? { status: 3 } : undefined),
  });
  const output = await openOutput(sftp, server.properties);
  await output.invoke("create", { fileName: "a" }, { data: "new" });
  expect([...server.files.keys()]).toEqual(["/home/a"]);
  expect(textOf(await output.invoke("get", { fileName: "a" }))).toBe("new");

  const other = await startStandIn();
  const inPlace = await openOutput(sftp, { ...other.properties, writeInPlace: "true" });
  await inPlace.invoke("create", { fileName: "b/a" }, { data: "new" });
  expect(changes(other.requests)).toEqual(["OPEN", "MKDIR", "OPEN", "WRITE"]);
  expect(other.files.get("/home/b/a")?.toString()).toBe("new");
});

test("open and ping need no right but the log-in", async () => {
  const server = await startStandIn({ react: () => ({ status: 3 }) });
  await expect(openOutput(sftp, server.properties)).resolves.toBeTruthy();
  const output = await openOutput(sftp, { ...server.properties, rootPath: "/upload" });
  await output.ping();
  await expect(output.invoke("get", { fileName: "a" })).rejects.toMatchObject({
    reason: "permission_denied",
  });
});

test("names that a server lists and that are none are left out, and told of once", async () => {
  const bad = ["../x", "a/b", "/etc/passwd", "a\0b", "", "..", ".", "\u{FFFD}"];
  const server = await startStandIn({
    listing: () => ["good", ...bad].map((filename) => ({ filename })),
  });
  const output = await openOutput(sftp, server.properties);
  for (let n = 0; n < 2; n++) {
    expect(textOf(await output.invoke("list", { fileName: "." }))).toBe(
      '[{"fileName":"good","isDirectory":true}]',
    );
  }
  expect(output.logger.warn).toHaveBeenCalledTimes(1);
});
