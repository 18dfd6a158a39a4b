import { setTimeout as pause } from "node:timers/promises";
import { onTestFinished } from "vitest";
import type {
  AnyBinding,
  Answer,
  InboundEvent,
  Logger,
  Reader,
  Settlement,
} from "../../src/binding.ts";
import { loadDriver } from "../../src/drivers.ts";
import { parseFields } from "../../src/metadata/parse.ts";
import { requestParser } from "../../src/runtime/outputs/request.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { unkeptCheckpoints } from "../runtime/component/checkpoints.ts";

/** What to do with an event; a test that keeps it settles it later. */
export type Handle = (event: InboundEvent) => Settlement | "keep" | Promise<Settlement | "keep">;

export const handled: Settlement = { outcome: "handled" };

type Directions = { input: boolean; output: boolean };
type Line = { level: keyof Logger; fields: object; message: string };

/** A binding that reads and sends, opened as the runtime would; closed after the test. */
export async function openQueue(
  binding: AnyBinding,
  properties: Record<string, string>,
  {
    directions = { input: true, output: true },
    signal = AbortSignal.timeout(20_000),
    name = "queue",
  }: { directions?: Directions; signal?: AbortSignal; name?: string } = {},
): Promise<OpenedQueue> {
  const { values, problems } = parseFields(binding.metadata, properties, { direction: directions });
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    throw new Error(errors.map(({ property, message }) => `${property} ${message}`).join("; "));
  }
  const log: Line[] = [];
  const write =
    (level: keyof Logger) =>
    (fields: object, message: string): void =>
      void log.push({ level, fields, message });
  const logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
  const losses: unknown[] = [];
  const notices: string[] = [];
  const connection: AsyncDisposable = await binding.open({
    component: { name, appId: "test" },
    metadata: values,
    directions,
    logger,
    signal,
    http: { listen: () => Promise.reject(new Error("a queue serves nothing")) },
    notice: (text) => void notices.push(text),
    memory: new MemoryBudget().share("test"),
    driver: (driver, path) => loadDriver(driver, binding.drivers?.[driver] ?? "", undefined, path),
    lost: (reason) => void losses.push(reason),
  });
  const opened = new OpenedQueue(binding, connection, values, logger, log, losses, notices);
  onTestFinished(() => opened.close());
  return opened;
}

export class OpenedQueue {
  readonly log: readonly Line[];
  /** What the binding gave as the end of its connection; the runtime would open it again. */
  readonly losses: readonly unknown[];
  /** What the binding said is worth knowing. */
  readonly notices: string[];
  readonly #binding: AnyBinding;
  readonly #connection: AsyncDisposable;
  readonly #values: Record<string, unknown>;
  readonly #logger: Logger;
  readonly #readings: Reading[] = [];
  #closed: Promise<void> | undefined;

  constructor(
    binding: AnyBinding,
    connection: AsyncDisposable,
    values: Record<string, unknown>,
    logger: Logger,
    log: readonly Line[],
    losses: readonly unknown[],
    notices: string[],
  ) {
    this.#binding = binding;
    this.#connection = connection;
    this.#values = values;
    this.#logger = logger;
    this.log = log;
    this.losses = losses;
    this.notices = notices;
  }

  /** Sends, where nothing is answered. */
  async create(
    data: string | Uint8Array | undefined,
    metadata: Record<string, string> = {},
    signal: AbortSignal = new AbortController().signal,
  ): Promise<void> {
    const answer = await this.answerOf(data, metadata, signal);
    if (answer !== undefined) throw new Error("create answers nothing");
  }

  async answerOf(
    data: string | Uint8Array | undefined,
    metadata: Record<string, string> = {},
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Answer | undefined> {
    const operation = this.#binding.operations?.["create"];
    if (operation === undefined) throw new Error("no create");
    const answer = await operation.invoke(this.#connection, {
      operation: "create",
      data: typeof data === "string" ? Buffer.from(data) : data,
      encoding: "bytes",
      request: requestParser(operation.request)(metadata),
      properties: metadata,
      metadata: this.#values,
      signal,
    });
    return answer ?? undefined;
  }

  async read(
    handle: Handle = () => handled,
    {
      maxInFlight = 64,
      attempts = 10,
      room = async () => {},
      signal = new AbortController().signal,
    }: {
      maxInFlight?: number;
      attempts?: number;
      room?: () => Promise<void>;
      signal?: AbortSignal;
    } = {},
  ): Promise<Reading> {
    const reading = new Reading(handle, room);
    const reader = await this.#binding.read?.(this.#connection, {
      component: { name: "queue", appId: "test" },
      metadata: this.#values,
      logger: this.#logger,
      maxInFlight,
      attempts,
      notice: (text) => void this.notices.push(text),
      memory: new MemoryBudget().share("test"),
      checkpoints: unkeptCheckpoints(),
      signal,
      deliver: (events) => reading.take(events),
      lost: (reason) => void reading.losses.push(reason),
    });
    if (reader === undefined) throw new Error("no read");
    reading.reader = reader;
    this.#readings.push(reading);
    return reading;
  }

  ping(): Promise<void> {
    const signal = AbortSignal.timeout(10_000);
    return this.#binding.ping?.(this.#connection, signal) ?? Promise.reject(new Error("no ping"));
  }

  backlog(): Promise<number> {
    const signal = AbortSignal.timeout(10_000);
    return (
      this.#binding.backlog?.(this.#connection, signal) ?? Promise.reject(new Error("no backlog"))
    );
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      for (const reading of this.#readings) await reading.close();
      await this.#connection[Symbol.asyncDispose]();
    })();
    return this.#closed;
  }
}

/** Stands for the runtime: keeps what was delivered, and settles it as told. */
export class Reading {
  readonly events: InboundEvent[] = [];
  readonly losses: unknown[] = [];
  readonly #handle: Handle;
  readonly #room: () => Promise<void>;
  #reader: Reader | undefined;
  #closed = false;

  constructor(handle: Handle, room: () => Promise<void>) {
    this.#handle = handle;
    this.#room = room;
  }

  get reader(): Reader {
    if (this.#reader === undefined) throw new Error("not yet reading");
    return this.#reader;
  }

  set reader(reader: Reader) {
    this.#reader = reader;
  }

  /** The payloads in the order in which they came. */
  get texts(): string[] {
    return this.events.map(textOf);
  }

  take(events: readonly InboundEvent[]): Promise<void> {
    for (const event of events) {
      this.events.push(event);
      void this.#settle(event);
    }
    return this.#room();
  }

  async #settle(event: InboundEvent): Promise<void> {
    const settlement = await this.#handle(event);
    if (settlement !== "keep") event.settle(settlement);
  }

  /** Only close, as if the process ended. */
  async abandon(): Promise<void> {
    this.#closed = true;
    await this.reader.close();
  }

  /** Stop, flush, close, as the runtime does. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.reader.stop();
    if (this.losses.length === 0) await this.reader.flush();
    await this.reader.close();
  }
}

export function textOf({ data }: InboundEvent): string {
  return Buffer.from(data ?? []).toString();
}

/** An event's header as text; `undefined`: it has none of that name. */
export function headerOf({ headers }: InboundEvent, name: string): string | undefined {
  const header = headers.find((one) => one.name === name);
  return header && Buffer.from(header.value).toString();
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
    await pause(1);
  }
}

/** The error that the promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error,
  );
}

export const allBytes: Uint8Array = Uint8Array.from({ length: 256 }, (_, index) => index);
