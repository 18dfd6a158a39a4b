import type { InboundEvent, Logger, Reader } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { App } from "../app.ts";
import { keyOf } from "../delivery/lane.ts";
import type { DeliveryOptions } from "../delivery/delivery-options.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { Entry } from "../delivery/entry.ts";
import { Window } from "../delivery/window.ts";
import type { Ownership } from "../ownership.ts";
import type { Relay, RelayedReader, RelayHop, RelayOpening } from "../relay.ts";
import type { ComponentSettings } from "./component-fields.ts";

export type RelayedReadingOptions = Pick<
  DeliveryOptions,
  "name" | "logger" | "history" | "tracer" | "observer"
> &
  Pick<RelayOpening, "read" | "lost" | "report" | "signal" | "maxInFlight"> & {
    readonly appId: string;
    readonly app: App;
    readonly relay: Relay | undefined;
    readonly settings: ComponentSettings;
    /** `undefined`: every replica reads the source. The relay's to release. */
    readonly ownership: Ownership | undefined;
    readonly delivery: Delivery;
    readonly logger: Logger;
  };

const noRelay =
  "`relay` needs a store that all replicas share; start with `--store nats://…`, or remove `relay`";

/** Reads through the relay. Rejects with a `BindingError` where there is none. */
export async function relayedReading(options: RelayedReadingOptions): Promise<RelayedReader> {
  const { name, appId, app, relay, settings, ownership, delivery, logger, observer } = options;
  const { read, lost, report, signal, maxInFlight } = options;
  if (relay === undefined)
    throw new BindingError("failed_precondition", noRelay, { effect: "unsent" });
  const reader = await relay.open({
    ...{
      component: { name, appId },
      ownership,
      app,
      logger,
      signal,
      maxInFlight,
      read,
      lost,
      report,
    },
    ...{ partitions: settings.relayPartitions, maxBytes: settings.relayMaxBytes },
    keyOf: (event) => keyOf(event, settings.orderKey),
    enter: (event, source) => enterRelay(options, event, source),
    deliver: (events, source) => delivery.deliver(events, source),
    count: (what, events) => observer.relayed(name, what, events),
  });
  return released(reader, ownership);
}

/** Notes what becomes of an event between its source and the relay. */
function enterRelay(
  { name, history, tracer }: RelayedReadingOptions,
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
