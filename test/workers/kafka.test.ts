import { mkdtemp, rm } from "node:fs/promises";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Admin, Producer } from "@platformatic/kafka";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createApp, DeadLetter, type BindingApp, type BindingEvent } from "../../src/sdk/index.ts";
import { startDaemon, type Daemon } from "../e2e/daemon.ts";
import { describeWith } from "../servers/describe-with.ts";
import { uniqueName } from "../servers/unique-name.ts";
import { until } from "../until.ts";
import { operation } from "./operation.ts";

const partitions = 4;
const keys = 8;
const within = 20_000;

const breaker = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: { name: resiliency }
spec:
  policies:
    circuitBreakers:
      once: { maxRequests: 1, timeout: 1h, trip: consecutiveFailures >= 3 }
  targets:
    components:
      orders:
        inbound: { circuitBreaker: once }
`;

describeWith("kafka", (kafka) => {
  const topic = uniqueName("spread");
  let folder: string;
  let daemon: Daemon;
  let app: BindingApp;
  let admin: Admin;
  let producer: Producer<string, string, string, string>;
  let handle: (event: BindingEvent) => Promise<void> = async () => {};

  beforeAll(async () => {
    const client = { clientId: "test", bootstrapBrokers: kafka.brokers.split(",") };
    admin = new Admin(client);
    const encode = (text?: string): Buffer | undefined =>
      text === undefined ? undefined : Buffer.from(text);
    const serializers = { key: encode, value: encode, headerKey: encode, headerValue: encode };
    producer = new Producer({ ...client, serializers });
    await kafka.createTopic(topic, partitions);
    folder = await mkdtemp(join(tmpdir(), "cufflink-workers-kafka-"));
    daemon = await startDaemon({
      components: [
        {
          ...{ name: "orders", type: "bindings.kafka" },
          metadata: {
            ...{ brokers: kafka.brokers, topics: topic, consumerGroup: topic, authType: "none" },
            ...{ direction: "input", initialOffset: "oldest", maxInFlight: "5" },
            ...{
              sessionTimeout: "1500ms",
              heartbeatInterval: "200ms",
              backOffInitialInterval: "10ms",
            },
          },
        },
        { name: "out", type: "bindings.ledger", metadata: { folder, direction: "output" } },
      ],
      flags: [
        ...["--workers", "2", "--bindings", join(import.meta.dirname, "ledger-binding.ts")],
        ...["--state-dir", folder],
      ],
      env: { HOME: folder },
    });
    app = createApp({ runtime: `127.0.0.1:${daemon.grpcPort}`, log: () => undefined });
    app.on("orders", (event) => handle(event));
    await app.start();
    await until(async () => (await shares()).join() === "2,2", { what: shown, within });
  }, 60_000);

  afterAll(async () => {
    await app?.close();
    await daemon?.[Symbol.asyncDispose]();
    await Promise.all([admin.close(), producer.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  /** How many partitions each member of the group has. */
  async function shares(): Promise<number[]> {
    const found = await admin.describeGroups({ groups: [topic] });
    const members = [...(found.get(topic)?.members.values() ?? [])];
    return members.map(({ assignments }) =>
      [...(assignments?.values() ?? [])].reduce((sum, one) => sum + one.partitions.length, 0),
    );
  }

  const shown = (): string => daemon.output();

  /** Writes to each key the numbers that follow, and gives all as the app gets them. */
  async function write(from: number, perKey: number): Promise<string[]> {
    const all = Array.from({ length: perKey }, (_, number) =>
      Array.from({ length: keys }, (_unused, key) => ({ key: `k${key}`, number: from + number })),
    ).flat();
    await producer.send({
      messages: all.map(({ key, number }) => ({
        ...{ topic, key, value: `${key} ${number}`, partition: Number(key.slice(1)) % partitions },
      })),
    });
    return all.map(({ key, number }) => `${key} ${number}`);
  }

  type Shown = { name: string; state: string; handled?: string; maxInFlight?: number };

  async function orders(): Promise<Shown | undefined> {
    const { components } = await operation<{ components: Shown[] }>(
      daemon.httpPort,
      "Operations/ListComponents",
      {},
    );
    return components.find(({ name }) => name === "orders");
  }

  async function metric(begin: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${daemon.metricsPort}/metrics`)).text();
    const line = text
      .split("\n")
      .find((one) => one.startsWith(begin) && /"orders"(?!.*outcome="(?!handled))/.test(one));
    return Number(line?.split(" ").at(-1) ?? 0);
  }

  const settled = (): Promise<number> => metric("cufflink_events_settled_total{");

  test("both workers read, in order by key, never more than maxInFlight together", async () => {
    const seen = new Map<string, number[]>();
    let [running, most, count] = [0, 0, 0];
    const gate = Promise.withResolvers<void>();
    handle = async (event) => {
      most = Math.max(most, ++running);
      const [key = "", number = ""] = event.text().split(" ");
      seen.set(key, [...(seen.get(key) ?? []), Number(number)]);
      await gate.promise;
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      count++;
    };
    const all = await write(0, 50);
    await until(async () => (await metric("cufflink_events_in_flight{")) === 5, {
      what: shown,
      within,
    });
    expect(await metric("cufflink_events_in_flight_limit{")).toBe(5);
    expect(running).toBe(5);
    gate.resolve();
    await until(() => count >= all.length, { what: () => `all events: ${count}`, within });
    expect(most).toBe(5);
    expect(count).toBe(all.length);
    for (const numbers of seen.values()) expect(numbers).toEqual([...numbers.keys()]);
    await until(async () => (await settled()) === count, { what: shown, within });
  });

  test("an event that fails goes on in the lane that it has; a dead letter is redriven", async () => {
    let [isBroken, count] = [true, 0];
    handle = async (event) => {
      if (isBroken && event.text() === "k1 100") throw new DeadLetter("not now");
      count++;
    };
    const all = await write(100, 2);
    await until(() => count === all.length - 1, { what: () => `the others: ${count}`, within });
    isBroken = false;
    type Listed = { deadLetters?: { id: string }[] };
    const { deadLetters = [] } = await operation<Listed>(
      daemon.httpPort,
      "DeadLetters/ListDeadLetters",
      {
        filter: { component: "orders" },
      },
    );
    expect(deadLetters).toHaveLength(1);
    await promisify(execFile)(join(import.meta.dirname, "../../bin/cufflink"), [
      ...["dead-letters", "redrive", "--component", "orders"],
      ...["--address", `127.0.0.1:${daemon.grpcPort}`],
    ]);
    expect(count).toBe(all.length);
  });

  test("a pause stops all members, and a resume begins all again", async () => {
    const seen: string[] = [];
    handle = async (event) => void seen.push(event.text());
    await operation(daemon.httpPort, "Operations/PauseComponent", {
      name: "orders",
      reason: "for a test",
    });
    expect((await orders())?.state).toMatch(/PAUSED/i);
    await until(async () => (await shares()).length === 0, { what: shown, within });
    const all = await write(200, 2);
    expect(seen).toEqual([]);
    await operation(daemon.httpPort, "Operations/ResumeComponent", { name: "orders" });
    await until(() => seen.length === all.length, { what: () => seen.join(), within });
    expect(new Set(seen)).toEqual(new Set(all));
    const emitted = await operation(daemon.httpPort, "Operations/EmitEvent", {
      ...{ component: "orders", event: { data: Buffer.from("k0 1").toString("base64") } },
    });
    expect(emitted).toHaveProperty("handled");
    await until(async () => (await shares()).join() === "2,2", { what: shown, within });
  });

  test("a worker that ends under load loses nothing, and keys keep their order", async () => {
    const seen = new Map<string, number[]>();
    const done = new Set<string>();
    const attempts = new Map<string, number[]>();
    let fails = true;
    handle = async (event) => {
      const [key = "", number = ""] = event.text().split(" ");
      if (number === "1050" && key < "k4") {
        attempts.set(key, [...(attempts.get(key) ?? []), event.attempt]);
        if (fails) throw new Error("not yet");
      }
      seen.set(key, [...(seen.get(key) ?? []), Number(number)]);
      await new Promise((resolve) => setTimeout(resolve, 1));
      done.add(event.text());
    };
    const before = await settled();
    const all = await write(1000, 100);
    const tried = (): boolean =>
      attempts.size === 4 && [...attempts.values()].every((one) => one.length > 2);
    await until(tried, { what: () => `attempts: ${[...attempts.keys()].join()}`, within });
    const triedBefore = new Map(attempts);
    void fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/out`, {
      method: "POST",
      body: JSON.stringify({ operation: "end" }),
    }).catch(() => undefined);
    await until(() => daemon.output().includes("the worker was replaced"), { what: shown, within });
    await until(async () => (await shares()).join() === "2,2", { what: shown, within });
    const goesOn = (): boolean =>
      [...attempts].every(([key, one]) => one.length > (triedBefore.get(key)?.length ?? 0) + 1);
    await until(goesOn, { what: shown, within });
    fails = false;
    // One of each is counted, whichever worker had it.
    for (const one of attempts.values())
      expect(one).toEqual([...new Set(one)].toSorted((first, second) => first - second));
    await until(() => all.every((one) => done.has(one)), {
      what: () => `${all.filter((one) => !done.has(one)).length} events: ${daemon.output()}`,
      within,
    });
    for (const numbers of seen.values()) {
      // Each first came after the one before it had been there.
      const firsts = [...new Set(numbers)].filter((number) => number >= 1000);
      expect(firsts).toEqual(firsts.toSorted((one, other) => one - other));
    }
    expect(await settled()).toBeGreaterThan(before);
    await until(async () => (await committed()) === (await written()), { what: shown, within });
  });

  async function committed(): Promise<bigint> {
    const [group] = await admin.listConsumerGroupOffsets({
      groups: [{ groupId: topic, topics: [{ name: topic, partitionIndexes: [0, 1, 2, 3] }] }],
    });
    const offsets = group?.topics.flatMap((one) => one.partitions) ?? [];
    return offsets.reduce((sum, one) => sum + one.committedOffset, 0n);
  }

  async function written(): Promise<bigint> {
    const found = await admin.listOffsets({
      topics: [
        {
          name: topic,
          partitions: [0, 1, 2, 3].map((partitionIndex) => ({ partitionIndex, timestamp: -1n })),
        },
      ],
    });
    const offsets = found.flatMap((one) => one.partitions);
    return offsets.reduce((sum, one) => sum + one.offset, 0n);
  }

  test("a component that one worker must read has one member", async () => {
    const file = join(daemon.folder, "components.yaml");
    const before = readFileSync(file, "utf8");
    const reloaded = async (text: string): Promise<void> => {
      writeFileSync(file, text);
      await operation(daemon.httpPort, "Operations/Reload", {});
    };
    await reloaded(before.replace('value: "5"', 'value: "1"'));
    await until(async () => (await shares()).join() === "4", { what: shown, within });
    await reloaded(before);
    await until(async () => (await shares()).join() === "2,2", { what: shown, within });
    await reloaded(`${before}---\n${breaker}`);
    await until(async () => (await shares()).join() === "4", { what: shown, within });
    await reloaded(before);
    await until(async () => (await shares()).join() === "2,2", { what: shown, within });
    expect((await orders())?.state).toMatch(/RUNNING/i);
  });
});
