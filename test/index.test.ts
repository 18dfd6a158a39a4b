import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test, vi } from "vitest";
import {
  BindingError,
  createRuntime,
  DeadLetter,
  defineBinding,
  Drop,
  fields,
  type ComponentResource,
  type EmbeddedOptions,
  type EmbeddedRuntime,
  type RuntimeLogger,
  type StoredDeadLetter,
} from "../src/index.ts";
import { root } from "./cli/command.ts";
import { component, folder } from "./resources/folder.ts";
import { ask } from "./server/console/console.ts";
import { releasePort, reservePort } from "./servers/ports.ts";
import { until } from "./until.ts";

async function start(options: EmbeddedOptions): Promise<EmbeddedRuntime> {
  const runtime = await createRuntime({ logger: silent, ...options });
  onTestFinished(() => runtime.close());
  return runtime;
}

const silent: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

const notes = (rootPath: string): ComponentResource => ({
  apiVersion: "dapr.io/v1alpha1",
  kind: "Component",
  metadata: { name: "notes" },
  spec: {
    type: "bindings.localstorage",
    version: "v1",
    metadata: [{ name: "rootPath", value: rootPath }],
  },
});

test("outputs of a folder, an object and a text are invoked", async () => {
  const path = folder({});
  const other = component("other", "bindings.localstorage", `- {name: rootPath, value: "${path}"}`);
  const runtime = await start({
    resources: folder({ "third.yaml": other.replace("other", "third") }),
    components: [notes(path), other],
  });
  const metadata = { fileName: "a.txt" };
  await runtime.invoke("notes", "create", { data: "hello", metadata });
  for (const name of ["other", "third"]) {
    const answer = await runtime.invoke(name, "get", { metadata });
    expect(Buffer.from(answer?.data ?? []).toString()).toBe("hello");
  }
  expect(await runtime.invoke("notes", "delete", { metadata })).toBeUndefined();
  await expect(runtime.invoke("nosuch", "get")).rejects.toBeInstanceOf(BindingError);
});

test("events reach functions, and a type of one's own works as the others do", async () => {
  const three = defineBinding({
    name: "three",
    status: "alpha",
    summary: "Three events.",
    metadata: { word: fields.string({ description: "What they say.", required: true }) },
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    read(_, { metadata, deliver }) {
      const events = [1, 2, 3].map((n) => ({
        data: Buffer.from(`${metadata.word} ${n}`),
        metadata: {},
        headers: [],
        settle: () => {},
      }));
      void deliver(events);
      return { stop() {}, flush() {}, close() {} };
    },
  });
  const heard: string[] = [];
  const runtime = await start({
    bindings: [three],
    components: [component("in", "bindings.three", "- {name: word, value: hi}")],
    app: { bindings: { in: ({ data }) => void heard.push(Buffer.from(data ?? []).toString()) } },
  });
  await vi.waitFor(() => expect(heard.toSorted()).toEqual(["hi 1", "hi 2", "hi 3"]));
  await vi.waitFor(() =>
    expect(runtime.components()).toMatchObject([{ name: "in", state: "running", handled: 3 }]),
  );
});

test("a test event reaches the function, and its failure is told", async () => {
  const runtime = await start({
    components: [component("tick", "bindings.cron", '- {name: schedule, value: "@yearly"}')],
    app: {
      onBindingEvent({ data }) {
        if (data === undefined) throw new Error("nothing in it");
        return { data };
      },
    },
  });
  expect(await runtime.emit("tick", { data: "x" })).toMatchObject({
    kind: "handled",
    reply: { data: Buffer.from("x") },
  });
  expect(await runtime.emit("tick")).toEqual({ kind: "refused", reason: "nothing in it" });
});

test("what is wrong is told and stops nothing else", async () => {
  const error = vi.fn<RuntimeLogger["error"]>();
  const runtime = await start({
    logger: { ...silent, error, child: () => silent },
    components: [notes(folder({})), component("bad", "bindings.localstorge")],
  });
  expect(runtime.problems).toMatchObject([
    { severity: "error", file: "components[1]", suggestion: "bindings.localstorage" },
  ]);
  expect(error.mock.calls.map(([, message]) => message).join("\n")).toContain("components[1]:5:9");
  await runtime.invoke("notes", "create", { data: "x" });
});

/** A folder input of files, each an event with its name as its identity. */
const inbox = (path: string) =>
  component(
    "inbox",
    "bindings.file",
    `- {name: folder, value: "${path}"}\n- {name: quietTime, value: 10ms}\n- {name: backOffMaxRetries, value: 0}`,
  );

test("with a folder for its state it keeps dead letters, which outlast it and are redriven", async () => {
  const [stateDir, path] = [folder({}), folder({ "a.txt": "borken" })];
  const heard: string[] = [];
  const app: EmbeddedOptions["app"] = {
    onBindingEvent({ data }) {
      const text = Buffer.from(data ?? []).toString();
      heard.push(text);
      if (text === "borken") throw new Error("cannot read it");
    },
  };
  const first = await start({ stateDir, components: [inbox(path)], app });
  await until(async () => (await first.deadLetters.list()).deadLetters.length === 1, {
    what: "the dead letter",
  });
  const { deadLetters, more } = await first.deadLetters.list({ component: "inbox" }, { limit: 5 });
  expect([deadLetters, more]).toMatchObject([[{ reason: "cannot read it", failed: 1 }], false]);
  expect(first.components()).toMatchObject([
    { handled: 0, endedOtherwise: { "dead letter": 1 }, attempts: 1 },
  ]);
  expect(await first.deadLetters.totals()).toMatchObject([{ component: "inbox", count: 1 }]);
  await first.close();

  const id = deadLetters[0]?.id ?? "";
  const second = await start({ stateDir, components: [inbox(path)], app });
  const { event } = await second.deadLetters.get(id);
  expect(Buffer.from(event.data ?? []).toString()).toBe("borken");
  await until(() => second.components()[0]?.state === "running", { what: "the second to run" });
  const ids = { ids: [id] };
  expect(await second.deadLetters.redrive(ids)).toMatchObject([{ outcome: "refused" }]);
  await second.deadLetters.edit(id, { data: Buffer.from("broken") });
  expect(await second.deadLetters.redrive("all")).toMatchObject([{ id, outcome: "handled" }]);
  expect(heard).toEqual(["borken", "borken", "broken"]);
  expect(await second.deadLetters.drop("all")).toEqual({ dropped: 0, skipped: 0 });
});

test("a handler says what becomes of its event: a dead letter after one attempt, or nothing at all", async () => {
  const [stateDir, path] = [folder({}), folder({ "a.txt": "borken", "b.txt": "spam" })];
  const runtime = await start({
    stateDir,
    components: [inbox(path).replace("value: 0}", "value: 9}")],
    app: {
      onBindingEvent({ data }) {
        if (Buffer.from(data ?? []).toString() === "spam") throw new Drop("spam");
        throw new DeadLetter("cannot read it");
      },
    },
  });
  const ended = () => runtime.components()[0]?.endedOtherwise;
  await until(() => ended()?.["dead letter"] === 1 && ended()?.dropped === 1, {
    what: () => `both events to end: ${JSON.stringify(runtime.components())}`,
  });
  const { deadLetters }: { deadLetters: readonly StoredDeadLetter[] } =
    await runtime.deadLetters.list();
  expect(deadLetters).toMatchObject([{ cause: "refused", reason: "cannot read it", failed: 1 }]);
  expect(runtime.components()).toMatchObject([{ handled: 0, attempts: 2 }]);
});

test("without one there are no dead letters, and the event stays", async () => {
  const runtime = await start({
    components: [inbox(folder({ "a.txt": "a" }))],
    app: { onBindingEvent: () => Promise.reject(new Error("no")) },
  });
  await until(() => runtime.components()[0]?.state === "stalled", { what: "the event to stay" });
  const reason = expect.stringContaining("given no store") as string;
  expect(runtime.components()).toMatchObject([{ reason, handled: 0 }]);
  expect(await runtime.deadLetters.list()).toEqual({ deadLetters: [], more: false });
});

test("resources are read again when that is asked for, and what is wrong leaves what runs alone", async () => {
  const path = folder({});
  const yaml = component("notes", "bindings.localstorage", `- {name: rootPath, value: "${path}"}`);
  const resources = folder({ "a.yaml": yaml });
  const runtime = await start({ resources, components: [inbox(folder({}))] });
  const names = () => runtime.components().map(({ name }) => name);
  expect(await runtime.reload()).toMatchObject({ outcome: "unchanged", problems: [] });
  writeFileSync(join(resources, "b.yaml"), yaml.replace("notes", "more"));
  expect(await runtime.reload()).toMatchObject({ revision: 2, outcome: "applied" });
  expect(names().toSorted()).toEqual(["inbox", "more", "notes"]);
  writeFileSync(join(resources, "a.yaml"), "kind: [");
  const [broken] = await Promise.all([runtime.reload(), runtime.reload()]);
  expect(broken).toMatchObject({ outcome: "refused" });
  expect(runtime.problems).toMatchObject([{ severity: "error" }]);
  const request = { data: "x", metadata: { fileName: "a" } };
  await runtime.invoke("notes", "create", request);
  rmSync(join(resources, "a.yaml"));
  await runtime.reload();
  expect([names().toSorted(), runtime.problems]).toEqual([["inbox", "more"], []]);
});

test("a test event to what is no input is refused, with what is meant", async () => {
  const runtime = await start({
    components: [notes(folder({})), inbox(folder({}))],
    app: { onBindingEvent: () => undefined },
  });
  await expect(runtime.emit("inboxs")).rejects.toThrow('did you mean "inbox"?');
  await expect(runtime.emit("notes")).rejects.toThrow(/notes is an output.*create, get/);
});

test("handlers of names that no input has are told, with the nearest", async () => {
  const warn = vi.fn<RuntimeLogger["warn"]>();
  await start({
    logger: { ...silent, warn, child: () => silent },
    components: [inbox(folder({}))],
    app: { bindings: { inbux: () => undefined } },
  });
  expect(warn.mock.calls.map(([, text]) => text)).toContain(
    'the app subscribes to inbux, and no input is called so; did you mean "inbox"?',
  );
});

test("it is operated as a daemon is: pause, resume, restart, drain, why, policies, metrics", async () => {
  const path = folder({ "a.txt": "a" });
  const held = Promise.withResolvers<void>();
  const ids: string[] = [];
  const runtime = await start({
    stateDir: folder({}),
    components: [notes(folder({})), inbox(path)],
    app: {
      async onBindingEvent({ id }) {
        ids.push(id);
        await held.promise;
      },
    },
  });
  await until(() => ids.length === 1, { what: "the event" });
  const [id = ""] = ids;
  expect(id).not.toBe("");
  expect(await runtime.why(id)).toMatchObject({
    unfinished: [{ component: "inbox", where: "with the app", attempt: 1 }],
    records: [],
  });
  expect(await runtime.drain("inbox", { deadline: 1 })).toMatchObject({
    component: { state: "paused" },
    abandoned: 1,
  });
  held.resolve();
  expect(await runtime.resume("inbox")).toMatchObject({ name: "inbox", paused: undefined });
  await until(() => runtime.components()[1]?.handled === 1, { what: "the event to be handled" });
  const { records, deadLetters } = await runtime.why(id, { component: "inbox" });
  expect(records).toContainEqual(expect.objectContaining({ end: "handled", eventId: id }));
  expect(deadLetters).toEqual([]);

  const paused = await runtime.pause("inbox", { reason: "the database moves", by: "me" });
  expect(paused).toMatchObject({
    state: "paused",
    paused: { by: "me", reason: "the database moves" },
  });
  await runtime.resume("inbox");
  expect(await runtime.restart("notes")).toMatchObject({ name: "notes", state: "running" });
  const { inbound, outbound } = runtime.policies("inbox");
  expect([inbound?.length, outbound]).toEqual([expect.any(Number), undefined]);
  expect(runtime.reloads()).toMatchObject([{ revision: 1, outcome: "applied" }]);
  const metrics = await runtime.metrics();
  expect(metrics).toMatch(/^dapr_component_input_binding_count\{.*component="inbox".*\} [12]$/m);
  expect(metrics).toMatch(/^cufflink_reload_revision\{.*\} 1$/m);

  for (const call of ["pause", "resume", "restart", "drain"] as const) {
    await expect(runtime[call]("inbux")).rejects.toThrow('did you mean "inbox"?');
  }
  await expect(runtime.pause("notes")).rejects.toThrow("notes is an output");
  expect(() => runtime.policies("inbux")).toThrow(BindingError);
});

test("a foreign page, and a foreign host's name, reach no webhook unless the options allow it", async () => {
  const port = await reservePort();
  onTestFinished(() => releasePort(port));
  const metadata = `- {name: address, value: "127.0.0.1:${port}"}\n- {name: path, value: /hook}`;
  const components = [component("hook", "bindings.webhook", metadata)];
  const app = { onBindingEvent: () => undefined };
  const warnings: string[] = [];
  const logger: RuntimeLogger = { ...silent, warn: (_, text) => void warnings.push(text) };
  const post = (headers: Record<string, string> = {}) =>
    ask(port, "/hook", { method: "POST", headers: { "content-length": "0", ...headers } });
  const strict = await start({ components, app, logger });
  await until(() => strict.components()[0]?.state === "running", { what: "the webhook to run" });
  expect((await post()).status).toBe(204);
  expect((await post({ origin: "https://shop.example" })).text).toContain(
    "say allowedOrigins https://shop.example",
  );
  expect((await post({ host: "hooks.example" })).text).toContain("say allowedHosts hooks.example");
  expect(warnings).toHaveLength(2);
  await strict.close();

  const allowed = { allowedOrigins: ["https://shop.example"], allowedHosts: ["hooks.example"] };
  const open = await start({ components, app, ...allowed });
  await until(() => open.components()[0]?.state === "running", { what: "the webhook to run" });
  expect((await post({ origin: "https://shop.example" })).status).toBe(204);
  expect((await post({ host: "hooks.example" })).status).toBe(204);
  expect((await post({ origin: "https://evil.example" })).status).toBe(403);
});

test("closing twice is closing once", async () => {
  const runtime = await createRuntime({ logger: silent, components: [notes(folder({}))] });
  await Promise.all([runtime.close(), runtime.close()]);
  await expect(runtime.invoke("notes", "list")).rejects.toBeInstanceOf(BindingError);
});

test("the example runs, and its process ends by itself", async () => {
  const script = join(root, "examples/embedding/index.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 25_000 });
  expect(stdout).toMatch(/^the note says \d{4}-\d\d-\d\dT/);
});

test("a call is over when its signal is aborted, also where the operation does not look at it", async () => {
  const begun: string[] = [];
  const operation = (end: (signal: AbortSignal) => Promise<never>) => ({
    description: "Never ends by itself.",
    request: {},
    invoke(_: unknown, call: { readonly operation: string; readonly signal: AbortSignal }) {
      begun.push(call.operation);
      return end(call.signal);
    },
  });
  const stuck = defineBinding({
    name: "stuck",
    status: "alpha",
    summary: "Does not answer.",
    metadata: {},
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    operations: {
      create: operation(() => new Promise<never>(() => {})),
      get: operation(
        (signal) =>
          new Promise<never>((_, reject) =>
            signal.addEventListener("abort", () =>
              reject(new BindingError("cancelled", "taken back", { effect: "unsent" })),
            ),
          ),
      ),
    },
  });
  const runtime = await start({
    bindings: [stuck],
    components: [component("s", "bindings.stuck")],
  });
  const late = runtime.invoke("s", "create", { signal: AbortSignal.timeout(20) });
  await expect(late).rejects.toMatchObject({
    reason: "deadline_exceeded",
    effect: "ambiguous",
    message: "create of s had not ended when the deadline passed; it may still happen",
  });
  const caller = new AbortController();
  const { signal } = caller;
  const given = [runtime.invoke("s", "create", { signal }), runtime.invoke("s", "get", { signal })];
  caller.abort();
  const [ignoring, heeding] = await Promise.allSettled(given);
  expect(ignoring).toMatchObject({ reason: { reason: "cancelled", effect: "ambiguous" } });
  expect(heeding).toMatchObject({ reason: { message: "taken back", effect: "unsent" } });
  const none = runtime.invoke("s", "create", { signal });
  await expect(none).rejects.toMatchObject({ reason: "cancelled", effect: "unsent" });
  expect(begun).toEqual(["create", "create", "get"]);
});

test.each([{ memoryBudget: 0 }, { memoryBudget: -1 }, { maxConcurrency: 0 }])(
  "options that cannot be meant are refused: %o",
  async (options) => {
    const [name, value] = Object.entries(options)[0]!;
    await expect(createRuntime(options)).rejects.toThrow(`${name} is ${value}; it must be`);
  },
);
