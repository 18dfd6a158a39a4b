import { setTimeout as pause } from "node:timers/promises";
import { Consumer } from "@platformatic/kafka";
import type { Message } from "@platformatic/kafka";
import { onTestFinished } from "vitest";
import type { InboundEvent, Reader } from "../../../src/binding.ts";
import kafka from "../../../src/bindings/kafka/index.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { unkeptCheckpoints } from "../../runtime/component/checkpoints.ts";

type Connection = Awaited<ReturnType<typeof kafka.open>>;

/** What was logged, by level. */
export type Log = { level: string; fields: object; message: string }[];

/** Opens a component with these properties; it is closed after the test. */
export async function openComponent(
  properties: Record<string, string>,
  { directions = { input: true, output: true }, signal = new AbortController().signal } = {},
): Promise<Component> {
  const all = { authType: "none", ...properties };
  const { values, problems } = parseFields(kafka.metadata, all, { direction: directions });
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  const log: Log = [];
  const logger = Object.fromEntries(
    (["debug", "info", "warn", "error"] as const).map((level) => [
      level,
      (fields: object, message: string) => void log.push({ level, fields, message }),
    ]),
  ) as Record<"debug" | "info" | "warn" | "error", (fields: object, message: string) => void>;
  const component = { name: "kafka-1", appId: "app-1" };
  const connection = await kafka.open({
    component,
    metadata: values,
    directions,
    logger,
    signal,
    http: { listen: () => Promise.reject(new Error("kafka serves nothing")) },
    memory: new MemoryBudget().share("test"),
    driver: () => undefined,
    lost: () => {},
    notice: () => {},
  });
  const opened = new Component(connection, values, log, logger);
  onTestFinished(() => opened[Symbol.asyncDispose]());
  return opened;
}

/** An opened component, with what a runtime would do. */
export class Component implements AsyncDisposable {
  readonly connection: Connection;
  readonly log: Log;
  readonly #values: Parameters<typeof kafka.open>[0]["metadata"];
  readonly #logger: Parameters<typeof kafka.open>[0]["logger"];
  readonly #readings: Collector[] = [];
  #closed = false;

  constructor(
    connection: Connection,
    values: Parameters<typeof kafka.open>[0]["metadata"],
    log: Log,
    logger: Parameters<typeof kafka.open>[0]["logger"],
  ) {
    this.connection = connection;
    this.log = log;
    this.#values = values;
    this.#logger = logger;
  }

  async create(
    data: string | Uint8Array | undefined,
    properties: Record<string, string> = {},
    {
      encoding = "bytes",
      signal = new AbortController().signal,
    }: { encoding?: "bytes" | "json"; signal?: AbortSignal } = {},
  ): Promise<void> {
    const operation = kafka.operations?.create;
    if (operation === undefined) throw new Error("no create");
    const { values } = parseFields(operation.request, properties, {
      exactCase: true,
      unknown: false,
    });
    const answer = await operation.invoke(this.connection, {
      operation: "create",
      data: typeof data === "string" ? Buffer.from(data) : data,
      encoding,
      request: values,
      properties,
      metadata: this.#values,
      signal,
    });
    if (answer !== undefined) throw new Error("create answers nothing");
  }

  /** Reads as `handle` says: an event whose promise is `false` stays unsettled. Default: each is handled. */
  async read(
    handle: (event: InboundEvent) => Promise<boolean> | boolean = () => true,
  ): Promise<Collector> {
    const collector = new Collector(handle);
    collector.reader = await kafka.read?.(this.connection, {
      component: { name: "kafka-1", appId: "app-1" },
      metadata: this.#values,
      logger: this.#logger,
      maxInFlight: 64,
      attempts: 10,
      notice: () => {},
      memory: new MemoryBudget().share("test"),
      checkpoints: unkeptCheckpoints(),
      signal: new AbortController().signal,
      deliver: (events) => collector.take(events),
      lost: (reason) => void (collector.lost = reason),
      report: (text, stalled) => void (collector.condition = { text, stalled }),
      missed: (events, why) => void collector.missed.push([why, events]),
    });
    this.#readings.push(collector);
    return collector;
  }

  ping(): Promise<void> {
    return (
      kafka.ping?.(this.connection, new AbortController().signal) ??
      Promise.reject(new Error("no ping"))
    );
  }

  backlog(): Promise<number> {
    return (
      kafka.backlog?.(this.connection, new AbortController().signal) ??
      Promise.reject(new Error("no backlog"))
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const one of this.#readings) await one.close();
    await this.connection[Symbol.asyncDispose]();
  }
}

/** Stands for the runtime: keeps what was delivered. */
export class Collector {
  readonly events: InboundEvent[] = [];
  readonly handled: InboundEvent[] = [];
  reader: Reader | undefined;
  lost: unknown;
  /** What the reader says of its source. */
  condition = { text: "", stalled: false };
  /** What never comes: why, and how many events. */
  readonly missed: [why: string, events: number][] = [];
  #closed = false;
  readonly #handle: (event: InboundEvent) => Promise<boolean> | boolean;

  constructor(handle: (event: InboundEvent) => Promise<boolean> | boolean) {
    this.#handle = handle;
  }

  async take(events: readonly InboundEvent[]): Promise<void> {
    this.events.push(...events);
    await Promise.all(
      events.map(async (event) => {
        if (!(await this.#handle(event))) return;
        event.settle({ outcome: "handled" });
        this.handled.push(event);
      }),
    );
  }

  /** The payloads delivered so far, as text. */
  get texts(): string[] {
    return this.events.map(textOf);
  }

  /** Stop, flush, close, as the runtime does. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.reader?.stop();
    if (this.lost === undefined) await this.reader?.flush();
    await this.reader?.close();
  }
}

/** An event's payload as text; a tombstone is `null`. */
export function textOf({ data }: InboundEvent): string {
  return data === undefined ? "null" : Buffer.from(data).toString();
}

/** Waits until the condition holds; fails with what `describe` says after a while. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  describe: () => unknown = () => condition.toString(),
  limit = 20_000,
): Promise<void> {
  const deadline = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`waited in vain: ${JSON.stringify(describe())}`);
    await pause(10);
  }
}

/** Reads a topic from its beginning with the driver itself, until it has `count` records. */
export async function recordsOf(brokers: string, topic: string, count: number): Promise<Message[]> {
  const consumer = new Consumer({
    clientId: "test",
    groupId: `raw-${topic}-${Math.random()}`,
    bootstrapBrokers: brokers.split(","),
  });
  const stream = await consumer.consume({
    topics: [topic],
    mode: "earliest",
    autocommit: false,
    maxWaitTime: 100,
  });
  const records: Message[] = [];
  try {
    for await (const message of stream) {
      records.push(message);
      if (records.length >= count) break;
    }
  } finally {
    await consumer.close(true);
  }
  return records;
}
