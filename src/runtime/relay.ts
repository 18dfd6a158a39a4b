import type { InboundEvent, Logger, Reader } from "../binding.ts";
import type { App } from "./app.ts";
import type { Ownership } from "./ownership.ts";

/** Account of an event on its way from the source into the relay. */
export type RelayHop = {
  /** The trace that its delivery goes on with. */
  readonly trace: Readonly<Record<string, string>>;
  /** It is in the relay, and its source was told. */
  stored(reason: string): void;
  /** Its source has it again. */
  returned(reason: string): void;
};

/** What an input that is relayed gives the relay. */
export type RelayOpening = {
  readonly component: { readonly name: string; readonly appId: string };
  /** For a relay that is new: how many partitions it has, and how many bytes it holds at most. */
  readonly partitions: number;
  readonly maxBytes: number;
  /** Who reads the source; `undefined`: every replica does. */
  readonly ownership: Ownership | undefined;
  readonly app: Pick<App, "available">;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The most events that the app has at one time. */
  readonly maxInFlight: number;
  readonly keyOf: (event: InboundEvent) => string | undefined;
  readonly enter: (event: InboundEvent, source: string) => RelayHop;
  /** Reads the source, which delivers to that function. Rejects as the binding's `read` does. */
  readonly read: (
    deliver: (events: readonly InboundEvent[], source?: string) => Promise<void>,
    signal: AbortSignal,
  ) => Promise<Reader>;
  /** Hands events over to be delivered to the app; resolves when there is room for more. */
  readonly deliver: (events: readonly InboundEvent[], source: string) => Promise<void>;
  /** The source cannot be read any more. */
  readonly lost: (reason: unknown) => void;
  /** What is in the way, for the component's state; empty: nothing. */
  readonly report: (text: string, stalled: boolean) => void;
  /** Counts what went through. */
  readonly count: (what: "published" | "duplicate" | "redelivered", events: number) => void;
};

/** A relayed input that runs. */
export type RelayedReader = Reader & {
  /** Whether this replica reads the source now. */
  readonly readsSource: boolean;
  /** How many events the relay holds, told by the replica that reads the source. */
  readonly backlog: number | undefined;
};

/** Stands between a source that one replica reads and the apps of all replicas. */
export type Relay = {
  /** Rejects with a `BindingError` when it cannot be used. */
  open(opening: RelayOpening): Promise<RelayedReader>;
};
