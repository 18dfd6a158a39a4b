import type { Logger, NullAs } from "../../binding.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { Policy } from "../../policy/policy.ts";
import type { Store } from "../../store/store.ts";
import type { App, Reply } from "../app.ts";
import type { AttemptCounts } from "./attempt-counts.ts";
import type { ConcurrencyLimit } from "../concurrency.ts";
import type { DeduplicateBy } from "./deduplication.ts";
import type { Entry } from "./entry.ts";
import type { FanOut } from "./fan-out.ts";
import type { Loops } from "./loops.ts";
import type { History } from "../records/history.ts";
import type { Observer } from "../observer.ts";
import type { Ownership } from "../ownership.ts";
import type { Span, Tracer } from "../tracer.ts";
import type { OnExhausted } from "./on-exhausted.ts";

/** What a `Delivery` is made of. */
export type DeliveryOptions = {
  /** The component's name. */
  readonly name: string;
  /** The component's type: `bindings.kafka`. */
  readonly type: string;
  readonly route: string;
  /** How a null reaches an app whose protocol has none. */
  readonly nullAs: NullAs;
  readonly app: App;
  /** Looked at anew for each event: it may be a getter. */
  readonly policy: Policy;
  /** Calls the listener when it is another one; the returned function ends that. */
  readonly onPolicy: (listener: () => void) => () => void;
  readonly onExhausted: OnExhausted;
  readonly deduplicate: DeduplicateBy;
  /** For how long an event is remembered by its duplicates, in milliseconds. */
  readonly deduplicateWindow: number;
  /** `undefined`: what the app says, else {@link usualMaxInFlight}. */
  readonly maxInFlight: number | undefined;
  /** How many of these are for this thread, where others read the component too. */
  readonly share?: (events: number) => number;
  /** The most events of one key that the app has at one time; `undefined`: as many as it takes. */
  readonly maxPerKey: number | undefined;
  readonly orderKey: string;
  readonly concurrency: ConcurrencyLimit;
  readonly logger: Logger;
  readonly observer: Observer;
  /** Who reads the source, where one replica does. Absent: each replica does, and nobody looks. */
  readonly ownership?: Ownership | undefined;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** `undefined`: nothing outlasts the process, and no event is settled as a dead letter. */
  readonly store: Store | undefined;
  /** What events count in, from their coming to their settlement, and the replies that are kept for them. */
  readonly memory: MemoryShare;
  /** The attempts of before. */
  readonly counts: AttemptCounts;
  /** `undefined`: nobody asks what became of events. */
  readonly history: History | undefined;
  /** What the reply to an event asks to be done before that counts as handled. */
  readonly fanOut: (
    reply: Reply | undefined,
    entry: Pick<Entry, "trace" | "generation" | "attemptSpan">,
  ) => FanOut;
  /** Where replies are known again that come back as events. `undefined`: nobody looks. */
  readonly loops?: Loops | undefined;
  /**
   * Invokes an output's `create` operation; once the signal is aborted nobody waits for it. `cause`: the span that it
   * belongs to.
   */
  readonly invokeOutput: (
    name: string,
    data: Uint8Array | undefined,
    metadata: Readonly<Record<string, string>>,
    signal: AbortSignal,
    cause?: Span,
  ) => Promise<void>;
  /** Told how many unsettled events the source may have handed out. */
  readonly onCredit: (events: number) => void;
  /** Called once when the component has to be paused; nothing is dispatched from then on. */
  readonly onHalt: (reason: string) => void;
};

/** The most events of a component that the app has at one time, unless somebody says otherwise. */
export const usualMaxInFlight = 64;

/** The most events of a component that the app has at one time from here. */
export function mostInFlight({
  maxInFlight,
  app,
  share,
}: Pick<DeliveryOptions, "maxInFlight" | "app" | "share">): number {
  const most = maxInFlight ?? app.intake?.maxInFlight ?? usualMaxInFlight;
  return share?.(most) ?? most;
}
