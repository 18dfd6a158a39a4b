import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createApp, type BindingApp, type BindingEvent } from "../../src/sdk/index.ts";
import { startDaemon, type Daemon } from "../e2e/daemon.ts";
import { until } from "../until.ts";
import { operation } from "./operation.ts";

const binding = join(import.meta.dirname, "ledger-binding.ts");
let folder: string;
let daemon: Daemon;
let app: BindingApp;
let handle: (event: BindingEvent, name: string) => Promise<void> = async () => {};

const component = (name: string, metadata: Record<string, string> = {}) => ({
  ...{ name, type: "bindings.ledger" },
  metadata: { folder, ...metadata },
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-workers-"));
  daemon = await startDaemon({
    components: [
      component("first", { direction: "input" }),
      component("second", { direction: "input" }),
      component("both"),
      component("out", { direction: "output" }),
      component("broken", { direction: "output" }),
      breaker,
    ],
    flags: [
      ...["--workers", "2", "--bindings", binding, "--state-dir", folder],
      ...["--app-max-concurrency", "3"],
    ],
    env: { HOME: folder },
  });
  app = createApp({ runtime: `127.0.0.1:${daemon.grpcPort}`, log: () => undefined });
  for (const name of ["first", "second", "both"]) app.on(name, (event) => handle(event, name));
  await app.start();
}, 60_000);

afterAll(async () => {
  await app?.close();
  await daemon?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const breaker = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata:
  name: resiliency
spec:
  policies:
    circuitBreakers:
      once: { maxRequests: 1, timeout: 1h, trip: consecutiveFailures >= 3 }
    retries:
      never: { policy: constant, maxRetries: 0 }
  targets:
    components:
      broken:
        outbound: { circuitBreaker: once, retry: never }
`;

/** An invocation by a connection of its own. */
async function invoke(
  name: string,
  operation: string,
  data = "",
  metadata: Record<string, string> = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/${name}`, {
    method: "POST",
    headers: { connection: "close" },
    body: JSON.stringify({ operation, data, metadata }),
  });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

function write(name: string, keys: number, perKey: number, from = 0): string[] {
  const all = Array.from({ length: perKey }, (_, number) =>
    Array.from({ length: keys }, (_unused, key) => `k${key} ${from + number}`),
  ).flat();
  appendFileSync(join(folder, `${name}.events`), `${all.join("\n")}\n`);
  return all;
}

const settled = (name: string): string[] => {
  try {
    return readFileSync(join(folder, `${name}.settled`), "utf8")
      .trim()
      .split("\n");
  } catch {
    return [];
  }
};

test("connections are spread, and both ports invoke in either thread", async () => {
  const threads = new Set<string>();
  await until(
    async () => {
      const { status, text } = await invoke("out", "create", "hello");
      expect(status).toBe(200);
      threads.add(text);
      return threads.size === 2;
    },
    { what: () => `calls in both threads: ${[...threads].join()}` },
  );
});

test("one page of metadata, health and metrics, whichever worker is asked", async () => {
  for (let time = 0; time < 6; time++) {
    const body = await (
      await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/metadata`, {
        headers: { connection: "close" },
      })
    ).json();
    expect((body as { components: { name: string }[] }).components.map(({ name }) => name)).toEqual(
      ["first", "second", "both", "out", "broken"],
    );
  }
  const before = await counted();
  for (let time = 0; time < 10; time++) await invoke("out", "create", "x");
  expect((await counted()) - before).toBe(10);
});

async function counted(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${daemon.metricsPort}/metrics`)).text();
  const line = text
    .split("\n")
    .find(
      (one) =>
        one.startsWith("dapr_component_output_binding_count") &&
        one.includes('component="out"') &&
        one.includes('success="true"'),
    );
  return Number(line?.split(" ").at(-1) ?? 0);
}

test("inputs of both workers reach an app that has dialled one, in order by key, within its limit", async () => {
  const threads = new Map<string, Set<string>>();
  const order = new Map<string, number[]>();
  let running = 0;
  let most = 0;
  const three = Promise.withResolvers<void>();
  handle = async (event, name) => {
    most = Math.max(most, ++running);
    if (running === 3) three.resolve();
    const [key = "", number = "", thread = ""] = event.text().split(" ");
    threads.set(name, (threads.get(name) ?? new Set()).add(thread));
    const lane = `${name} ${key}`;
    order.set(lane, [...(order.get(lane) ?? []), Number(number)]);
    // No event ends before as many as may run do.
    await three.promise;
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
  };
  const all = [write("first", 5, 20), write("second", 5, 20)];
  await until(() => settled("first").length + settled("second").length >= all.flat().length, {
    what: () => `all events: ${settled("first").length} and ${settled("second").length}`,
  });
  expect(most).toBe(3);
  expect([...(threads.get("first") ?? [])].length).toBe(1);
  expect(threads.get("first")).not.toEqual(threads.get("second"));
  for (const numbers of order.values()) expect(numbers).toEqual([...numbers.keys()]);
});

test("pause, emit, why and resume are answered for all workers", async () => {
  handle = async () => {};
  for (const name of ["first", "second"]) {
    await operation(daemon.httpPort, "Operations/PauseComponent", { name, reason: "for a test" });
    const { components } = await operation<{ components: { name: string; state: string }[] }>(
      daemon.httpPort,
      "Operations/ListComponents",
      {},
    );
    expect(components.find((one) => one.name === name)?.state).toMatch(/PAUSED/i);
    const before = settled(name).length;
    const [line = ""] = write(name, 1, 1, 1000);
    const emitted = await operation(daemon.httpPort, "Operations/EmitEvent", {
      ...{ component: name, event: { data: Buffer.from("k 1").toString("base64") } },
    });
    expect(emitted).toHaveProperty("handled");
    expect(settled(name)).toHaveLength(before);
    await operation(daemon.httpPort, "Operations/ResumeComponent", { name });
    await until(() => settled(name).length > before, { what: () => `${name} to go on` });
    await until(
      async () => {
        const { records = [] } = await operation<{ records?: object[] }>(
          daemon.httpPort,
          "History/ExplainEvent",
          {
            ...{ eventId: line, component: name },
          },
        );
        return records.length === 1;
      },
      { what: () => `what became of ${line}` },
    );
  }
});

test("a key is claimed once, whichever worker the calls come to, and while the first runs", async () => {
  const key = { "idempotency-key": "the-same" };
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => invoke("out", "create", "slow once", key)),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  const calls = readFileSync(join(folder, "calls"), "utf8").split("\n");
  expect(calls.filter((line) => line.includes("slow once"))).toHaveLength(1);
});

test("a circuit breaker counts the calls of all workers", async () => {
  const answers = [];
  for (let time = 0; time < 6; time++) answers.push(await invoke("broken", "fail"));
  const told = answers.map(({ text }) => (text.includes("circuit breaker") ? "open" : "failed"));
  expect(told).toEqual(["failed", "failed", "failed", "open", "open", "open"]);
});

test("a definition that one worker cannot take over changes none", async () => {
  const file = join(daemon.folder, "components.yaml");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, before.replace("name: out", "name: out # the same"));
  const same = await operation<{ result: { outcome: string } }>(
    daemon.httpPort,
    "Operations/Reload",
    {},
  );
  expect(same.result.outcome).toBe("RELOAD_OUTCOME_UNCHANGED");
  const added = `${before}---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: later }
spec: { type: bindings.ledger, version: v1, metadata: [{ name: folder, value: ${folder} }, { name: direction, value: output }] }
`;
  writeFileSync(file, added);
  await operation(daemon.httpPort, "Operations/Reload", {});
  expect((await invoke("later", "create", "x")).status).toBe(200);
  writeFileSync(
    file,
    added.replace(
      "direction, value: output }",
      "direction, value: output }, { name: refuse, value: not today }",
    ),
  );
  const refused = await operation<{ result: { components: { name: string; reason?: string }[] } }>(
    daemon.httpPort,
    "Operations/Reload",
    {},
  );
  expect(refused.result.components.find(({ name }) => name === "later")?.reason).toMatch(
    /not today/,
  );
  for (let time = 0; time < 6; time++)
    expect((await invoke("later", "create", "x")).status).toBe(200);
  writeFileSync(file, before);
  await operation(daemon.httpPort, "Operations/Reload", {});
  expect((await invoke("later", "create", "x")).status).toBe(500);
});

test("a worker that ends under load is replaced; nothing is lost, and keys keep their order", async () => {
  const seen = new Map<string, number[]>();
  handle = async (event, name) => {
    const [key = "", number = ""] = event.text().split(" ");
    const lane = `${name} ${key}`;
    seen.set(lane, [...(seen.get(lane) ?? []), Number(number)]);
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const all = { first: write("first", 5, 60, 2000), second: write("second", 5, 60, 2000) };
  const half = settled("first").length + 100;
  await until(() => settled("first").length > half, { what: () => "half of the events" });
  void invoke("out", "end").catch(() => undefined);
  await until(() => daemon.output().includes("a worker has ended"), {
    what: () => daemon.output(),
  });
  await until(
    () => {
      const done = { first: new Set(settled("first")), second: new Set(settled("second")) };
      return (
        all.first.every((line) => done.first.has(line)) &&
        all.second.every((line) => done.second.has(line))
      );
    },
    {
      what: () => {
        const left = (name: "first" | "second"): number =>
          all[name].filter((line) => !settled(name).includes(line)).length;
        return `${left("first")} and ${left("second")} events: ${daemon.output()}`;
      },
      within: 20_000,
    },
  );
  // Each first came after the one before it had been there.
  for (const numbers of seen.values()) {
    const firsts = [...new Set(numbers)];
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
  }
  await until(() => daemon.output().includes("the worker was replaced"), {
    what: () => daemon.output(),
  });
});

test("a second daemon is refused, and a shutdown ends all workers in order", async () => {
  const second = await startDaemon({
    components: [],
    flags: ["--workers", "2", "--enable-metrics=false", "--state-dir", join(folder, "other")],
    env: { HOME: folder },
    ports: { http: daemon.httpPort, grpc: daemon.grpcPort },
  });
  // The first one answers in its place.
  await until(() => second.process.exitCode !== null, { what: () => second.output() });
  expect(second.output()).toMatch(/another process listens there/);
  await app.close();
  expect(await daemon.end()).toBe(0);
  expect(daemon.output()).toContain("shutdown complete");
});
