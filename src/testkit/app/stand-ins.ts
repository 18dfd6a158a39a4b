import type { AnyBinding, BindingModule, Opening, Reading } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { Fields } from "../../metadata/fields.ts";
import type { Activity } from "./activity.ts";
import { Faults } from "./faults.ts";
import { InputSide, type Delivered } from "./input.ts";
import { OutputSide, type OutputCall, type RecordedCall } from "./output.ts";

export type StandInEvents = {
  /** A call of an output has ended. */
  readonly onCall?: (call: RecordedCall) => void;
  /** The source of an input was told what became of an event. */
  readonly onDelivered?: (component: string, delivered: Delivered) => void;
};

/** What stands in for a component's system. It outlasts the component's connections. */
export type StandIn = { readonly input: InputSide; readonly output: OutputSide };

type Connection = AsyncDisposable & {
  readonly standIn: StandIn;
  readonly lose: (reason: Error) => void;
  /** The binding's own, of one that needs no system. */
  readonly own: AsyncDisposable | undefined;
};

/** Those that need no system at all: time is their source, and the kit has that. */
const own: ReadonlySet<string> = new Set(["cron"]);

/** The systems behind the components of a kit, in memory, and the bindings that lead to them. */
export class StandIns {
  readonly faults = new Faults();
  readonly #events: StandInEvents;
  readonly #activity: Activity | undefined;
  readonly #byName = new Map<string, StandIn>();
  readonly #lossy = new Set<string>();
  readonly #replaced = new Map<AnyBinding, AnyBinding>();

  /** `activity`: told what goes on, where that matters to a clock. */
  constructor(events: StandInEvents = {}, activity?: Activity) {
    this.#events = events;
    this.#activity = activity;
  }

  /** What stands behind a component. */
  of(component: string): StandIn {
    let standIn = this.#byName.get(component);
    if (standIn === undefined) {
      const { faults } = this;
      standIn = {
        input: new InputSide({
          ...{ component, faults, isLossy: () => this.#lossy.has(component) },
          onDelivered: (delivered) => this.#events.onDelivered?.(component, delivered),
        }),
        output: new OutputSide({
          ...{ component, faults },
          onCall: (call) => this.#events.onCall?.(call),
        }),
      };
      this.#byName.set(component, standIn);
    }
    return standIn;
  }

  /** Binding types that lead here, as {@link StandIns.replace}. */
  modules(modules: readonly BindingModule[]): BindingModule[] {
    return modules.map((module) => ({
      ...module,
      load: async () => ({ default: this.replace((await module.load()).default) }),
    }));
  }

  /** Ends the sources: see `InputSide.close`. */
  close(): void {
    for (const { input } of this.#byName.values()) input.close();
  }

  /**
   * A binding with the same declaration (fields, checks, operations, what it promises) that leads here instead of to its
   * system, and needs no driver. It is not asked whether it lives, nor how much it holds: that only takes steps of time.
   */
  replace(binding: AnyBinding): AnyBinding {
    const before = this.#replaced.get(binding);
    if (before !== undefined) return before;
    const standIn = this.#standInFor(binding);
    this.#replaced.set(binding, standIn);
    return standIn;
  }

  #standInFor(binding: AnyBinding): AnyBinding {
    const { operations } = binding;
    const hasOwn = own.has(binding.name);
    return {
      ...without(
        binding,
        "drivers",
        "needsDriver",
        "runsPrograms",
        "ping",
        "backlog",
        "operations",
      ),
      open: (opening: Opening<Fields>) => {
        const open = (): Promise<Connection> => this.#open(binding, opening, hasOwn);
        return this.#activity === undefined ? open() : this.#activity.begin("kit", open);
      },
      ...(operations && { operations: this.#operations(operations) }),
      ...(binding.read && {
        async read(connection: Connection, reading: Reading<Fields>) {
          const { input } = connection.standIn;
          const fed = input.read(reading, connection.lose);
          if (connection.own === undefined) return fed;
          const ticking = await binding.read?.(connection.own, {
            ...reading,
            deliver: (events: Parameters<typeof reading.deliver>[0], source?: string) =>
              reading.deliver(
                events.map((event) => input.watched(event)),
                source,
              ),
          });
          return {
            async stop() {
              await Promise.all([fed.stop(), ticking?.stop()]);
            },
            async flush() {
              await Promise.all([fed.flush(), ticking?.flush()]);
            },
            async close() {
              await Promise.all([fed.close(), ticking?.close()]);
            },
          };
        },
      }),
    };
  }

  #part<Result>(run: () => Promise<Result>): Promise<Result> {
    return this.#activity === undefined ? run() : this.#activity.run(run);
  }

  async #open(binding: AnyBinding, opening: Opening<Fields>, hasOwn: boolean): Promise<Connection> {
    const { metadata, directions, component, lost } = opening;
    const problems = (await binding.check?.(metadata, directions)) ?? [];
    if (problems.length > 0)
      throw new BindingError("invalid_argument", problems.join("; "), { effect: "unsent" });
    if (binding.guarantee?.lossy === true) this.#lossy.add(component.name);
    const real = hasOwn ? await binding.open(opening) : undefined;
    return {
      standIn: this.of(component.name),
      lose: lost,
      own: real,
      async [Symbol.asyncDispose]() {
        await real?.[Symbol.asyncDispose]();
      },
    };
  }

  #operations(
    operations: NonNullable<AnyBinding["operations"]>,
  ): NonNullable<AnyBinding["operations"]> {
    return Object.fromEntries(
      Object.entries(operations).map(([name, operation]) => {
        const call = async (connection: Connection, one: OutputCall) =>
          this.#part(() => connection.standIn.output.invoke(one, connection.lose));
        const standIn = {
          ...without(operation, "invoke", "invokeStream", "isIdempotent"),
          invoke: call,
          ...(operation.invokeStream && {
            async invokeStream(connection: Connection, one: StreamedCall) {
              const data = await gathered(one.body);
              return call(connection, { ...partsOf(one), data, encoding: "bytes" });
            },
          }),
        };
        return [name, standIn];
      }),
    ) as NonNullable<AnyBinding["operations"]>;
  }
}

function without<Value extends object, Name extends keyof Value & string>(
  value: Value,
  ...names: readonly Name[]
): Omit<Value, Name> {
  const left = Object.entries(value).filter(([name]) => !names.includes(name as Name));
  return Object.fromEntries(left) as Omit<Value, Name>;
}

type StreamedCall = Omit<OutputCall, "data" | "encoding"> & {
  readonly body: AsyncIterable<Uint8Array>;
};

/** A call is a class with getters, which a spread would leave out. */
function partsOf({ operation, properties, request, signal }: StreamedCall) {
  return { operation, properties, request, signal };
}

async function gathered(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}
