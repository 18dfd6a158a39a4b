import type { AnyBinding, Checkpoints, InboundEvent, Reader } from "../../binding.ts";
import { ComponentCheckpoints } from "../../runtime/component/component-checkpoints.ts";
import { keepingLogger } from "./component-runtime.ts";
import { newMemory, open, type OpenOptions } from "./open.ts";

export type InputOptions = OpenOptions & {
  /** Awaited by the source after each event, as it awaits room. */
  readonly room?: () => Promise<void>;
  /** Default: none that outlast the reading. */
  readonly checkpoints?: Checkpoints;
};

/** An input binding that reads, as the runtime would let it. The test settles the events. */
export type OpenedInput = AsyncDisposable & {
  readonly connection: AsyncDisposable;
  readonly reader: Reader;
  /** All events so far. */
  readonly events: InboundEvent[];
  /** Resolves with the next event that was not asked for yet. */
  readonly next: () => Promise<InboundEvent>;
  /** Resolves with the reason once the binding says that its connection is gone. */
  readonly lost: Promise<unknown>;
  /** Stops, flushes and closes, as the runtime does. */
  readonly close: () => Promise<void>;
};

/** Opens an input with the metadata `properties`, and lets it read; the caller closes it. */
export async function openInput(
  binding: AnyBinding,
  properties: Readonly<Record<string, string>>,
  { room = async () => {}, checkpoints, ...options }: InputOptions = {},
): Promise<OpenedInput> {
  const { connection, opening, lost } = await open(
    binding,
    properties,
    { input: true, output: false },
    { name: "input", ...options },
  );
  const events: InboundEvent[] = [];
  const asking: ((event: InboundEvent) => void)[] = [];
  let asked = 0;
  const reader: Reader | undefined = await binding.read?.(connection, {
    component: opening.component,
    metadata: opening.metadata,
    logger: opening.logger,
    maxInFlight: 64,
    attempts: 10,
    notice() {},
    memory: newMemory(),
    checkpoints: checkpoints ?? new ComponentCheckpoints(undefined, "test", keepingLogger()),
    signal: new AbortController().signal,
    async deliver(batch: readonly InboundEvent[]) {
      for (const event of batch) {
        events.push(event);
        asking.shift()?.(event);
      }
      await room();
    },
    lost: opening.lost,
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
  return {
    connection,
    reader,
    events,
    lost,
    close,
    next() {
      const event = events[asked++];
      return event === undefined
        ? new Promise((resolve) => asking.push(resolve))
        : Promise.resolve(event);
    },
    [Symbol.asyncDispose]: close,
  };
}
