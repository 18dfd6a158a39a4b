import { onTestFinished, vi } from "vitest";
import type {
  AnyBinding,
  Checkpoints,
  HttpEndpoints,
  InboundEvent,
  Logger,
  Reader,
} from "../../src/binding.ts";
import { parseFields } from "../../src/metadata/parse.ts";
import { loadDriver } from "../../src/drivers.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { unkeptCheckpoints } from "../runtime/component/checkpoints.ts";

export type InputOptions = {
  http?: HttpEndpoints;
  name?: string;
  /** Awaited by the source after each event, as it awaits room. */
  room?: () => Promise<void>;
  /** Default: none that outlast the reading. */
  checkpoints?: Checkpoints;
};

/** An input binding that reads, as the runtime would let it; it is closed after the test. */
export type OpenedInput = {
  readonly connection: AsyncDisposable;
  readonly reader: Reader;
  /** All events so far. */
  readonly events: InboundEvent[];
  /** Resolves with the next event that was not asked for yet. */
  next(): Promise<InboundEvent>;
  /** Resolves with the reason once the binding says that its connection is gone. */
  readonly lost: Promise<unknown>;
  readonly logger: Record<keyof Logger, ReturnType<typeof vi.fn>>;
  close(): Promise<void>;
};

export async function openInput(
  binding: AnyBinding,
  properties: Record<string, string>,
  { http, name = "input", room = async () => {}, checkpoints }: InputOptions = {},
): Promise<OpenedInput> {
  const { values, problems } = parseFields(binding.metadata, properties);
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.message).join("; "));
  const lost = Promise.withResolvers<unknown>();
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const component = { name, appId: "test" };
  const connection: AsyncDisposable = await binding.open({
    component,
    metadata: values,
    directions: { input: true, output: false },
    logger,
    signal: AbortSignal.timeout(20_000),
    http: http ?? { listen: () => Promise.reject(new Error("it serves nothing")) },
    memory: new MemoryBudget().share("test"),
    driver: (name) => loadDriver(name, binding.drivers?.[name] ?? "", undefined),
    lost: lost.resolve,
    notice() {},
  });
  const events: InboundEvent[] = [];
  const asking: ((event: InboundEvent) => void)[] = [];
  let asked = 0;
  const reader: Reader | undefined = await binding.read?.(connection, {
    component,
    metadata: values,
    logger,
    maxInFlight: 64,
    attempts: 10,
    notice() {},
    memory: new MemoryBudget().share("test"),
    checkpoints: checkpoints ?? unkeptCheckpoints(),
    signal: new AbortController().signal,
    async deliver(batch: readonly InboundEvent[]) {
      for (const event of batch) {
        events.push(event);
        asking.shift()?.(event);
      }
      await room();
    },
    lost: lost.resolve,
  });
  if (reader === undefined) throw new Error(`${binding.name} reads nothing`);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      await reader.stop();
      await reader.flush();
      await reader.close();
      await connection[Symbol.asyncDispose]();
    })());
  onTestFinished(close);
  return {
    connection,
    reader,
    events,
    lost: lost.promise,
    logger,
    close,
    next() {
      const event = events[asked++];
      return event === undefined
        ? new Promise((resolve) => asking.push(resolve))
        : Promise.resolve(event);
    },
  };
}
