import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import exec from "../../../src/bindings/exec/index.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { allBytes, openOutput, textOf, type OpenedOutput } from "../opened-output.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-exec-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function open(
  script: string,
  properties: Record<string, string> = {},
  args: readonly string[] = [],
  memory = new MemoryBudget().share("test"),
): Promise<OpenedOutput> {
  const all = { command: "/bin/sh", args: JSON.stringify(["-c", script, "sh", ...args]) };
  const signal = AbortSignal.timeout(20_000);
  const output = await openOutput(exec, { ...all, ...properties }, signal, memory);
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

/** Whether a process is there that is no zombie. */
async function isRunning(pid: string): Promise<boolean> {
  const status = await readFile(`/proc/${pid.trim()}/stat`, "utf8").catch(() => ") Z");
  return !/\) Z/.test(status);
}

const fileIn = (name: string): Promise<string> =>
  readFile(join(folder, name), "utf8").catch(() => "");

describe("a run", () => {
  test("has the data on its standard input, and answers its standard output", async () => {
    const output = await openOutput(exec, { command: "cat" });
    onTestFinished(() => output[Symbol.asyncDispose]());
    const large = Buffer.alloc(1024 * 1024, allBytes);
    const answer = await output.invoke("run", {}, { data: large });
    expect(Buffer.from(answer?.data ?? []).equals(large)).toBe(true);
    expect(answer?.metadata).toEqual({ exitCode: "0" });
    expect((await output.invoke("run"))?.data).toHaveLength(0);
  });

  test("may leave its input unread", async () => {
    const output = await open("echo done");
    const data = Buffer.alloc(4 * 1024 * 1024);
    expect(textOf(await output.invoke("run", {}, { data }))).toBe("done\n");
  });

  test("has its arguments as they are, and nothing of a call among them", async () => {
    const args = ["a b", "$(id)", "; id", '"', "", "ü", "--", "*"];
    const output = await open('printf "%s\\n" "$@"', {}, args);
    const metadata = { args: '["no"]', command: "/bin/false", x: "; id" };
    const answer = await output.invoke("run", metadata, { data: "$(id)" });
    expect(textOf(answer)?.split("\n").slice(0, -1)).toEqual(args);
  });

  test("has the environment that is declared and PATH, in its folder", async () => {
    process.env["CUFFLINK_TEST_EXEC"] = "secret";
    onTestFinished(() => void delete process.env["CUFFLINK_TEST_EXEC"]);
    const properties = { "env:ONE": "1\n$TWO", workingDirectory: folder };
    const output = await openOutput(exec, { command: "env", args: '["-0"]', ...properties });
    onTestFinished(() => output[Symbol.asyncDispose]());
    const lines = (textOf(await output.invoke("run")) ?? "").split("\0").slice(0, -1);
    expect(lines.toSorted()).toEqual([`ONE=1\n$TWO`, `PATH=${process.env["PATH"]}`]);
    const where = await open("pwd", { workingDirectory: folder });
    expect(textOf(await where.invoke("run"))).toBe(`${folder}\n`);
  });

  test("with another exit code is rejected, with the end of its standard error", async () => {
    const output = await open("yes error | head -n 10000 >&2; echo last >&2; exit 3");
    const error = await output.invoke("run").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: "aborted", effect: "rejected", systemCode: "3" });
    const { message, metadata } = error as { message: string; metadata: Record<string, string> };
    expect(message).toMatch(/^exec: the program ended with exit code 3: .*error\nlast$/s);
    expect(message.length).toBeLessThan(4200);
    expect(metadata).toMatchObject({ exitCode: "3" });
  });

  test("that ends by a signal leaves open what it did", async () => {
    const output = await open("kill -SEGV $$");
    const run = output.invoke("run");
    await expect(run).rejects.toMatchObject({ effect: "ambiguous", systemCode: "SIGSEGV" });
  });

  test("that cannot be started was not sent", async () => {
    const file = join(folder, "no-interpreter");
    await writeFile(file, "#!/nosuch/interpreter\n", { mode: 0o755 });
    const output = await openOutput(exec, { command: file });
    onTestFinished(() => output[Symbol.asyncDispose]());
    await expect(output.invoke("run")).rejects.toMatchObject({
      ...{ reason: "failed_precondition", effect: "unsent", systemCode: "ENOENT" },
    });
  });
});

describe("limits", () => {
  const endless =
    'sleep 1000 & echo $! > "$0.child"; echo $$ > "$0.pid"; trap "" TERM; wait; sleep 1000';
  const stubborn = (name: string) => endless.replaceAll("$0", join(folder, name));
  const ended = async (name: string): Promise<boolean> =>
    !(await isRunning(await fileIn(`${name}.pid`))) &&
    !(await isRunning(await fileIn(`${name}.child`)));

  test("a run that takes too long is killed, with what it started", async () => {
    const output = await open(stubborn("late"), { timeout: "300ms", killDelay: "50ms" });
    const run = output.invoke("run");
    await expect(run).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
    await expect.poll(() => ended("late")).toBe(true);
  });

  test("a program that heeds SIGTERM ends by it", async () => {
    const script = `trap 'echo bye >&2; exit 9' TERM; sleep 1000 & wait`;
    const output = await open(script, { timeout: "300ms", killDelay: "1h" });
    await expect(output.invoke("run")).rejects.toThrow(/timeout\): bye$/);
  });

  test("a run is killed when its caller leaves", async () => {
    const output = await open(stubborn("left"), { killDelay: "0s" });
    const controller = new AbortController();
    const run = output.invoke("run", {}, { signal: controller.signal });
    run.catch(() => undefined);
    await expect.poll(() => fileIn("left.pid")).not.toBe("");
    controller.abort();
    await expect(run).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
    await expect.poll(() => ended("left")).toBe(true);
  });

  test("a run is killed when the component is closed", async () => {
    const output = await open(stubborn("closed"), { killDelay: "50ms" });
    const run = output.invoke("run");
    run.catch(() => undefined);
    await expect.poll(() => fileIn("closed.pid")).not.toBe("");
    await output[Symbol.asyncDispose]();
    await expect(run).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
    expect(await ended("closed")).toBe(true);
  });

  test("what a run leaves behind ends with it, and is not waited for", async () => {
    const pid = join(folder, "behind");
    const output = await open(`sleep 1000 & echo $! > ${pid}; echo done`);
    expect(textOf(await output.invoke("run"))).toBe("done\n");
    await expect.poll(async () => isRunning(await fileIn("behind"))).toBe(false);
  });

  test("a run that writes too much is killed", async () => {
    const output = await open("yes", { maxOutputSize: "64Ki" });
    const run = output.invoke("run");
    await expect(run).rejects.toMatchObject({ reason: "resource_exhausted", effect: "ambiguous" });
    const exact = await open("head -c 65536 /dev/zero", { maxOutputSize: "64Ki" });
    expect((await exact.invoke("run"))?.data).toHaveLength(65_536);
  });

  test("a run for whose output there is no memory is killed", async () => {
    const memory = new MemoryBudget(256 * 1024).share("small");
    const output = await open("yes", {}, [], memory);
    await expect(output.invoke("run")).rejects.toMatchObject({ reason: "resource_exhausted" });
    expect(memory.used).toBe(0);
  });

  test("so many run at one time, and one that waits is cancelled before it began", async () => {
    const script = `mkdir ${folder}/only && sleep 0.05 && rmdir ${folder}/only && echo ok`;
    const output = await open(script, { maxConcurrency: "1" });
    const runs = await Promise.all([1, 2, 3].map(() => output.invoke("run")));
    expect(runs.map(textOf)).toEqual(["ok\n", "ok\n", "ok\n"]);
    const slow = await open("sleep 1000", { maxConcurrency: "1", killDelay: "0s" });
    const first = slow.invoke("run");
    first.catch(() => undefined);
    const signal = AbortSignal.timeout(50);
    await expect(slow.invoke("run", {}, { signal })).rejects.toMatchObject({
      ...{ reason: "deadline_exceeded", effect: "unsent" },
    });
  });
});

test.each<[string, Record<string, string>]>([
  ["a relative path", { command: "./cat" }],
  ["a path above", { command: "../cat" }],
  ["a NUL", { command: "/bin/cat\0" }],
  ["CR LF", { command: "cat\r\n" }],
  ["64 KiB", { command: "c".repeat(65_536) }],
  ["no program", { command: "/nosuch" }],
  ["a folder", { command: "/bin" }],
  ["a file that is none", { command: "/etc/passwd" }],
  ["a name that is not there", { command: "nosuch-program" }],
  ["arguments that are no JSON", { command: "cat", args: "-a -b" }],
  ["arguments that are no texts", { command: "cat", args: "[1]" }],
  ["an argument with a NUL", { command: "cat", args: '["\\u0000"]' }],
  ["a variable with a wrong name", { command: "cat", "env:A=B": "1" }],
  ["a variable with a NUL", { command: "cat", "env:A": "1\0" }],
  ["a relative folder", { command: "cat", workingDirectory: "a" }],
  ["a folder that is not there", { command: "cat", workingDirectory: "/nosuch" }],
])("a component with %s is refused", async (_, properties) => {
  await expect(openOutput(exec, properties)).rejects.toMatchObject({ reason: "invalid_argument" });
});

describe("in a runtime", () => {
  const start = async (values: Record<string, string>, allowExec?: boolean) => {
    const started = startRuntime({ bindings: [exec], ...(allowExec ? { allowExec } : {}) });
    const resolve = async () => ({ values, secrets: [] });
    await started.runtime.apply([component("exec", {}, { resolve })]);
    return started;
  };

  test("a component is failed unless programs are allowed", async () => {
    const { status, invoke } = await start({ command: "cat" });
    expect(status()).toMatchObject({
      state: "failed",
      reason: expect.stringContaining("--allow-exec") as string,
    });
    await expect(invoke("orders", "run", "x")).rejects.toMatchObject({ effect: "unsent" });
    const allowed = await start({ command: "cat" }, true);
    expect(await allowed.invoke("orders", "run", "x")).toBe("x");
  });

  test.each([
    ["exit 1", 1],
    ["kill -KILL $$", 1],
  ])("a run that fails by %s runs so many times: %i", async (end, times) => {
    const file = join(folder, `runs ${end}`);
    const script = `echo run >> '${file}'; ${end}`;
    const args = JSON.stringify(["-c", script]);
    const { invoke } = await start({ command: "sh", args }, true);
    await expect(invoke("orders", "run", "x")).rejects.toThrow(/exec: /);
    expect((await readFile(file, "utf8")).trim().split("\n")).toHaveLength(times);
  });

  test("an unknown operation is named", async () => {
    const { invoke } = await start({ command: "cat" }, true);
    await expect(invoke("orders", "create", "x")).rejects.toMatchObject({
      reason: "unimplemented",
    });
  });
});
