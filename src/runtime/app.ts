import type { Answer, Header, NullAs } from "../binding.ts";
import type { StatusCodes } from "../policy/matching.ts";
import type { AnswerSpan } from "./tracer.ts";

/** The app that events go to, however it is reached. Implemented in `app/`. */
export type App = {
  /**
   * Whether a request can be written to the app now. False while it cannot be connected to or, with
   * health checks on, while it is unhealthy. Nothing is dispatched meanwhile.
   */
  readonly available: boolean;
  /** Why it is not available, for the state of the components that wait. Empty while it is. */
  readonly unavailableReason: string;
  /** Since when it is not available; `undefined`: it is, or that is not known. */
  readonly unavailableSince?: Date | undefined;
  /** It is not available to this input, though it is there: it has subscribed to others only. */
  readonly takesOthersOnly?: boolean;
  /** Calls the listener whenever `available` changes; the returned function ends that. */
  onAvailability(listener: () => void): () => void;
  /**
   * Whether the app wants the events of this input. Rejects when the app gave no answer, or none that
   * decides; the caller asks again with a pause.
   */
  wants(input: { name: string; route: string }, signal: AbortSignal): Promise<boolean>;
  /** Why the app does not want this input, as far as it has said; empty: nothing is known beyond its "no". */
  whyUnwanted?(input: { name: string; route: string }): string;
  /** Hands one event over. Never rejects. An aborted signal cancels it; the event was then refused. */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome>;
  /** Present where the app itself says how much it takes. Absent: one event of a lane at a time. */
  readonly intake?: Intake;
  /** The app as one input sees it. Absent: the same for all of them. */
  of?(name: string): App;
  /** Told which components there are, at first and whenever that changes. */
  componentsChanged?(components: ComponentNames): void;
  close(): Promise<void>;
};

/** The names of the components, by what they can be. */
export type ComponentNames = {
  readonly inputs: readonly string[];
  /** Those that never read events. */
  readonly outputs: readonly string[];
};

/** What an app that gives credit takes at the moment. */
export type Intake = {
  /**
   * Whether one more event may be delivered; `unsettled`: how many of its lane the app has.
   * `lane waits`: of other lanes one might; `full`: none at all.
   */
  takes(lane: LaneReference | undefined, unsettled: number): "now" | "lane waits" | "full";
  /** Calls the listener when it takes more than before; the returned function ends that. */
  onRoom(listener: () => void): () => void;
  /** The most events of a component at one time where the component does not say. `undefined`: the usual. */
  readonly maxInFlight: number | undefined;
};

/** Events that are handled one after another. The same object for as long as one of them is unsettled. */
export type LaneReference = {
  /** 1 to 4,294,967,295, unique among the lanes that live. */
  readonly number: number;
  /** Rises when the lane begins again after an event that was not handled. */
  readonly epoch: number;
  /** The app's own: by which of its streams the lane goes. Kept here, since a weak map costs every new lane more. */
  carrier?: object | undefined;
};

/** One event on one attempt. */
export type Delivery = {
  /** The component's name. */
  readonly name: string;
  /** The HTTP path that the app serves; the component's name unless its metadata says otherwise. */
  readonly route: string;
  /** Absent: it may be handled beside any other. */
  readonly lane: LaneReference | undefined;
  /** `undefined`: the source says null. */
  readonly data: Uint8Array | undefined;
  /** What an app gets in place of null whose protocol has none. */
  readonly nullAs: NullAs;
  /** What the binding tells about the event. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What the source's message carried. */
  readonly headers: readonly Header[];
  /** What keeps its order at the source. */
  readonly key: Uint8Array | string | undefined;
  /** The source's own identity of the event. */
  readonly id: string | undefined;
  /** W3C trace context, from the event or begun here. */
  readonly trace: Readonly<Record<string, string>>;
  /** Where the side that reaches the app tells how. Absent: it is not traced. */
  readonly span?: AnswerSpan | undefined;
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
 *   `after`: the least pause in milliseconds before the next; `final`: the app says that none will help;
 *   `codes`: the status that it answered with, by which a policy may tell whether to try again.
 * - `dropped`: the app says that nobody needs it.
 * - `not attempted`: written, and not looked at since an earlier event of its lane was not handled.
 * - `unsent`: the request was not written: no attempt, the app is unavailable.
 */
export type Outcome =
  | { readonly kind: "handled"; readonly reply: Reply | undefined }
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly after?: number | undefined;
      readonly final?: boolean;
      readonly codes?: StatusCodes | undefined;
    }
  | { readonly kind: "dropped"; readonly reason: string }
  | { readonly kind: "not attempted" }
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
