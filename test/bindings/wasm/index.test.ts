import { stat } from "node:fs/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import wasm from "../../../src/bindings/wasm/index.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { startLoopback } from "../http/loopback-server.ts";
import { allBytes, openOutput, textOf } from "../opened-output.ts";
import {
  argumentsGuest,
  assembled,
  echoGuest,
  goGuest,
  guest,
  guestUrl,
  hasGo,
  writes,
} from "./guests.ts";

async function opened(module: string, more: Record<string, string> = {}) {
  const output = await openOutput(wasm, { url: await guestUrl(module, "resize.wasm"), ...more });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

test("the payload is the guest's input, and what it writes the answer, byte for byte", async () => {
  const echo = await opened(echoGuest);
  for (const data of [allBytes, Buffer.alloc(1_000_000, "x"), Buffer.alloc(0)]) {
    const answer = await echo.invoke("execute", {}, { data });
    expect(Buffer.from(answer?.data ?? []).equals(data)).toBe(true);
  }
  const quoted = await echo.invoke("execute", {}, { data: '"text"', encoding: "json" });
  expect(textOf(quoted)).toBe('"text"');
  expect(textOf(await echo.invoke("execute"))).toBe("");
});

test("its arguments are its name, and those of the call, parted by commas", async () => {
  const output = await opened(argumentsGuest);
  const given = async (args?: string) =>
    textOf(await output.invoke("execute", args === undefined ? {} : { args }));
  expect(await given()).toBe("resize\0");
  expect(await given("a, b,,c")).toBe("resize\0a\0 b\0\0c\0");
  expect(await given("../;$(x)\r\n🦆")).toBe("resize\0../;$(x)\r\n🦆\0");
  await expect(given("a\0b")).rejects.toMatchObject({ reason: "invalid_argument" });
});

test.each([
  ["no output", "(nop)", ""],
  ["an exit that is none", `${writes(16, 5)} (call $exit (i32.const 0)) (unreachable)`, "hello"],
  ["errors are dropped", `${writes(16, 5, 2)} ${writes(16, 5)}`, "hello"],
])("%s", async (_, start, answer) => {
  const output = await opened(guest(start));
  expect(textOf(await output.invoke("execute"))).toBe(answer);
});

test("a module without _start runs, and answers nothing", async () => {
  const output = await opened('(module (memory (export "memory") 1))');
  expect(textOf(await output.invoke("execute"))).toBe("");
});

const forEver = "(loop $on (br $on))";
const overflow = "(func $deep (param i64) (call $deep (local.get 0)) (call $deep (local.get 0)))";

test.each([
  [
    "an exit code",
    "(call $exit (i32.const 3))",
    {},
    "failed_precondition",
    "module closed with exit_code(3)",
  ],
  [
    "the largest exit code",
    "(call $exit (i32.const -1))",
    {},
    "failed_precondition",
    "exit_code(4294967295)",
  ],
  ["a trap", "(unreachable)", {}, "failed_precondition", "wasm error: unreachable"],
  [
    "a division by zero",
    "(drop (i32.div_u (i32.const 1) (local.get $n)))",
    {},
    "failed_precondition",
    "wasm error: divide by zero",
  ],
  [
    "what is not in memory",
    "(drop (i32.load (i32.const -8)))",
    {},
    "failed_precondition",
    "memory access out of bounds",
  ],
  ["endless recursion", "(call $deep (i64.const 0))", {}, "failed_precondition", "call stack"],
  [
    "an endless loop",
    forEver,
    { timeout: "100ms" },
    "deadline_exceeded",
    "module closed: it ran for 100 ms (timeout)",
  ],
  [
    "endless output",
    `(loop $on ${writes(0, 65_536)} (br $on))`,
    { maxOutput: "1Mi" },
    "resource_exhausted",
    "it wrote more than 1048576 bytes (maxOutput)",
  ],
  [
    "output in tiny pieces",
    `(loop $on ${writes(16, 1)} (br $on))`,
    { maxOutput: "100k" },
    "resource_exhausted",
    "it wrote more than 100000 bytes",
  ],
  [
    "output as long as memory is not",
    `${writes(16, -1)} (call $exit (i32.load (i32.const 8)))`,
    {},
    undefined,
    "",
  ],
])("%s ends the call, and no more", async (_, start, more, reason, message) => {
  const output = await opened(guest(start, undefined, overflow), more);
  const call = output.invoke("execute");
  if (reason === undefined) expect(textOf(await call)).toBe("");
  else {
    await expect(call).rejects.toMatchObject({ reason, effect: "rejected" });
    await expect(call).rejects.toThrow(message);
  }
});

test("a guest that takes all memory gets what maxMemory says, and no more", async () => {
  // It exits with the pages that it has once it gets no more.
  const start = `(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (call $exit (memory.size))`;
  for (const memory of ['(memory (export "memory") 1)', '(memory (export "memory") 1 65536)']) {
    const output = await opened(guest(start, memory), { maxMemory: "1Mi" });
    await expect(output.invoke("execute")).rejects.toThrow("exit_code(16)");
  }
  const output = await opened(guest(start, '(memory (export "memory") 1 4)'), { maxMemory: "1Mi" });
  await expect(output.invoke("execute")).rejects.toThrow("exit_code(4)");
});

test("addresses that are not the guest's are an error that it is told", async () => {
  const far = "(i32.const -1)";
  const calls = [
    `(call $write (i32.const 1) ${far} (i32.const 1) (i32.const 8))`,
    `(call $write (i32.const 1) (i32.const 0) ${far} (i32.const 8))`,
    `(call $read (i32.const 0) ${far} (i32.const 9) (i32.const 8))`,
    `(call $args ${far} ${far})`,
    `(call $sizes ${far} ${far})`,
    `(call $random (i32.const 0) ${far})`,
    `(call $poll ${far} ${far} ${far} ${far})`,
  ];
  for (const call of calls) {
    const output = await opened(guest(`(call $exit ${call})`));
    // EFAULT
    const ended = output.invoke("execute", {}, { data: "data" });
    await expect(ended).rejects.toThrow("exit_code(21)");
  }
});

test("a caller who goes ends the guest; so many run at one time, and the next waits no longer than its caller", async () => {
  const output = await opened(guest(forEver), { maxConcurrency: "1" });
  const going = new AbortController();
  const first = output.invoke("execute", {}, { signal: going.signal });
  first.catch(() => undefined);
  const second = output.invoke("execute", {}, { signal: AbortSignal.timeout(50) });
  await expect(second).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "unsent" });
  await expect(second).rejects.toThrow("maxConcurrency");
  going.abort();
  await expect(first).rejects.toThrow("module closed with context canceled");
  await expect(first).rejects.toMatchObject({ effect: "rejected" });
});

test("closing the component ends its guests", async () => {
  const output = await opened(guest(forEver));
  const running = output.invoke("execute");
  running.catch(() => undefined);
  await new Promise(setImmediate);
  await output[Symbol.asyncDispose]();
  await expect(running).rejects.toMatchObject({ reason: "internal" });
  await expect(output.invoke("execute")).rejects.toMatchObject({ effect: "unsent" });
});

test("each call has an instance of its own", async () => {
  const counter = guest(
    `(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
     (i32.store8 (i32.const 16) (i32.add (i32.const 48) (global.get $calls))) ${writes(16, 1)}`,
    undefined,
    "(global $calls (mut i32) (i32.const 0))",
  );
  const output = await opened(counter, { maxConcurrency: "1" });
  for (let n = 0; n < 3; n++) expect(textOf(await output.invoke("execute"))).toBe("1");
});

test("an answer that has no room is refused, and its memory given back", async () => {
  const share = new MemoryBudget(1_000_000).share("test");
  const url = await guestUrl(echoGuest);
  const output = await openOutput(wasm, { url }, undefined, share);
  onTestFinished(() => output[Symbol.asyncDispose]());
  const large = output.invoke("execute", {}, { data: Buffer.alloc(900_000) });
  await expect(large).rejects.toMatchObject({ reason: "resource_exhausted" });
  expect(textOf(await output.invoke("execute", {}, { data: "small" }))).toBe("small");
  expect(share.used).toBe(0);
});

test("a guest is fetched by HTTP, and is named by its path", async () => {
  const bytes = await assembled(argumentsGuest);
  const server = await startLoopback(({ url }, response) => {
    if (url === undefined) response.writeHead(400).end();
    else if (url === "/moved.wasm") response.writeHead(302, { location: "/a/there.wasm" }).end();
    else if (url.startsWith("/a/")) response.end(bytes);
    else response.writeHead(404).end();
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  for (const [path, name] of [
    ["/a/here.wasm?token=x", "here"],
    ["/moved.wasm", "moved"],
  ]) {
    await using output = await openOutput(wasm, { url: `${server.url}${path}` });
    expect(textOf(await output.invoke("execute"))).toBe(`${name}\0`);
  }
  const missing = openOutput(wasm, { url: `${server.url}/none.wasm?token=hidden` });
  await expect(missing).rejects.toMatchObject({ reason: "unavailable", systemCode: "404" });
  await expect(missing).rejects.toThrow(
    "wasm: failed to parse metadata: received 404 status code from",
  );
  await expect(missing).rejects.not.toThrow("hidden");
});

test.each([
  ["nothing", "wasm: failed to parse metadata: invalid URL: nothing"],
  ["oci://registry/guest", "wasm: failed to parse metadata: TODO oci"],
  ["ftp://host/guest.wasm", "wasm: failed to parse metadata: unsupported URL scheme: ftp"],
  ["file:///no/such.wasm", "wasm: failed to parse metadata: /no/such.wasm"],
  ["file:///dev/zero", "wasm: failed to parse metadata: /dev/zero"],
])("the URL %j is refused", async (url, message) => {
  await expect(openOutput(wasm, { url })).rejects.toThrow(message);
});

describe.runIf(hasGo)("a guest in Go", () => {
  async function go(more: Record<string, string> = {}) {
    const output = await openOutput(wasm, { url: `file://${await goGuest()}`, ...more });
    onTestFinished(() => output[Symbol.asyncDispose]());
    return (args: string, data?: string) =>
      output.invoke("execute", { args }, data === undefined ? {} : { data }).then(textOf);
  }

  test("reads its input, its arguments, and writes", { timeout: 300_000 }, async () => {
    const run = await go();
    expect(await run("echo", "payload")).toBe("payload");
    expect(await run("upper", "a\nb\n")).toBe("A\nB\n");
    expect(await run("args,one,two words")).toMatch(/^go-guest-\w+\|args\|one\|two words$/);
    await expect(run("exit,7")).rejects.toThrow("module closed with exit_code(7)");
    await expect(run("panic")).rejects.toThrow("module closed with exit_code(2)");
  });

  test("has no files and no environment", async () => {
    const run = await go();
    expect(await run("env")).toBe("0");
    expect(await run("file,/etc/passwd")).toBe("true true true\n");
    await expect(stat("/tmp/guest")).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("has clocks, and random numbers; strict ones are the same each time", async () => {
    const run = await go();
    const before = Date.now();
    expect(Number(await run("time"))).toBeGreaterThanOrEqual(before + 36);
    expect(await run("random")).not.toBe(await run("random"));
    const strict = await go({ strictSandbox: "true" });
    expect(await strict("random")).toBe(await strict("random"));
    const second = Number(await strict("time"));
    expect(Math.abs(second - Date.now())).toBeLessThan(60_000);
  });

  test("is ended while it sleeps, and when it takes too much memory", async () => {
    const run = await go({ timeout: "300ms", maxMemory: "32Mi" });
    await expect(run("sleep")).rejects.toThrow("module closed: it ran for 300 ms");
    const greedy = await go({ maxMemory: "32Mi" });
    await expect(greedy("memory")).rejects.toMatchObject({ effect: "rejected" });
    await vi.waitFor(async () => expect(await greedy("echo", "next")).toBe("next"));
  });
});
