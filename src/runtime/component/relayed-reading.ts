import type { InboundEvent, Reader } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { App } from "../app.ts";
import { fencedReader } from "../delivery/fenced.ts";
import { keyOf } from "../delivery/lane.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { Entry } from "../delivery/entry.ts";
import { Window } from "../delivery/window.ts";
import type { Ownership } from "../ownership.ts";
import type { RelayedReader, RelayHop, RelayOpening } from "../relay.ts";
import type { InputOptions } from "./input-options.ts";
import type { Opened } from "./opening.ts";
import type { ReadSource } from "./source-reading.ts";

type Given = Pick<RelayOpening, "lost" | "report" | "signal" | "maxInFlight"> & {
  readonly delivery: Delivery;
  readonly read: ReadSource;
};

const noRelay =
  "`relay` needs a store that all replicas share; start with `--store nats://…`, or remove `relay`";

const noGain =
  "`relay` copies events that replicas share without it: each reads a part of this source; remove `relay`, or set `singleton: true`";

/** Reads through the relay. Rejects with a `BindingError` where there is none. */
export async function relayedReading(
  options: InputOptions,
  { settings, metadata }: Opened,
  app: App,
  { delivery, ...given }: Given,
): Promise<RelayedReader> {
  const { name, appId, relay, fleet, code, logger, observer } = options;
  if (relay === undefined)
    throw new BindingError("invalid_argument", noRelay, { effect: "unsent" });
  const { binding } = code;
  const shared = binding.isShared?.(metadata) ?? binding.guarantee?.shared === true;
  const ownership = (settings.singleton ?? !shared) ? fleet?.own(name, true) : undefined;
  if (ownership === undefined && shared) options.notice(noGain);
  const { read, ...rest } = given;
  try {
    const reader = await relay.open({
      ...{ component: { name, appId }, ownership, app, logger, ...rest },
      ...{ partitions: settings.relayPartitions, maxBytes: settings.relayMaxBytes },
      read: async (deliver, signal) =>
        fencedReader(await read(deliver, signal, ownership), ownership),
      keyOf: (event) => keyOf(event, settings.orderKey),
      enter: (event, source) => enterRelay(options, event, source),
      deliver: (events, source) => delivery.deliver(events, source),
      count: (what, events) => observer.relayed(name, what, events),
    });
    return released(reader, ownership);
  } catch (error) {
    await ownership?.release();
    throw error;
  }
}

/** Notes what becomes of an event between its source and the relay. */
function enterRelay(
  { name, history, tracer }: InputOptions,
  event: InboundEvent,
  source: string,
): RelayHop {
  // The history knows events by what delivers them: this one is never delivered here.
  const entry = new Entry(event, new Window(source), undefined, tracer?.sampling);
  const end = (how: "handled" | "returned", reason: string): void =>
    history?.record(name, entry, { how, reason }, Date.now());
  return {
    trace: entry.trace,
    stored: (reason) => end("handled", reason),
    returned: (reason) => end("returned", reason),
  };
}

/** Another replica may read the source once this one's reading has ended. */
function released(reader: RelayedReader, ownership: Ownership | undefined): RelayedReader {
  if (ownership === undefined) return reader;
  return {
    get readsSource() {
      return reader.readsSource;
    },
    get backlog() {
      return reader.backlog;
    },
    stop: () => reader.stop(),
    flush: () => reader.flush(),
    credit: (events) => reader.credit?.(events),
    async close() {
      await reader.close();
      await ownership.release();
    },
  } satisfies RelayedReader & Reader;
}
