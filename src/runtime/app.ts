import type { Answer, Header } from "../binding.ts";

/** The app that events go to, however it is reached. Implemented in `app/`. */
export type App = {
  /**
   * Whether a request can be written to the app now. False while it cannot be connected to or, with
   * health checks on, while it is unhealthy. Nothing is dispatched meanwhile.
   */
  readonly available: boolean;
  /** Why it is not available, for the state of the components that wait. Empty while it is. */
  readonly unavailableReason: string;
  /** Calls the listener whenever `available` changes; the returned function ends that. */
  onAvailability(listener: () => void): () => void;
  /**
   * Whether the app wants the events of this input. Rejects when the app gave no answer, or none that
   * decides; the caller asks again with a pause.
   */
  wants(input: { name: string; route: string }, signal: AbortSignal): Promise<boolean>;
  /** Hands one event over. Never rejects. An aborted signal gives up; the event was then refused. */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
};

/** One event on one attempt. */
export type Delivery = {
  /** The component's name. */
  readonly name: string;
  /** The HTTP path that the app serves; the component's name unless its metadata says otherwise. */
  readonly route: string;
  readonly data: Uint8Array | undefined;
  /** What the binding tells about the event. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What the source's message carried. */
  readonly headers: readonly Header[];
  /** W3C trace context, from the event or begun here. */
  readonly trace: Readonly<Record<string, string>>;
  /** 1 for the first. */
  readonly attempt: number;
  /** How many the policy allows; `undefined`: without end. */
  readonly attempts: number | undefined;
  /** Why the attempt before was not handled. */
  readonly lastError: string | undefined;
};

/**
 * - `handled`: the app took it.
 * - `refused`: the app said no, or its answer did not come after the request was written: an attempt.
 * - `unsent`: the request was not written: no attempt, the app is unavailable.
 */
export type Outcome =
  | { readonly kind: "handled"; readonly reply: Reply | undefined }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "unsent"; readonly reason: string };

/** The app's reply, with what it asks to be done before the event counts as handled. */
export type Reply = Answer & {
  contentType?: string | undefined;
  /** Output components that get `data` by their `create` operation. */
  to?: readonly string[];
  /** Default sequential. */
  concurrency?: "sequential" | "parallel";
  /** The state store component that gets `states`. */
  storeName?: string;
  states?: readonly { readonly key: string; readonly value: Uint8Array }[];
  /**
   * `grpc`: `to` is honoured always, `states` with `replyFanOut: true`. `http`: both only with it.
   */
  source: "grpc" | "http" | "function";
};
