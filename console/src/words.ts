import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import { DeadLetterCause } from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { AttemptOutcome, EventEnd, EventPlace } from "../../gen/cufflink/v1/history_pb.ts";
import {
  ChangeKind,
  CheckKind,
  CheckResult,
  ComponentState,
  Readiness,
  ReloadOutcome,
} from "../../gen/cufflink/v1/operations_pb.ts";

/** How something looks: what is well is quiet. */
export type Tone = "good" | "warn" | "bad" | "quiet" | "info";

/** A word and how it looks. */
export type Word = { readonly text: string; readonly tone: Tone };

const unknown: Word = { text: "unknown", tone: "quiet" };

const states: Partial<Record<ComponentState, Word>> = {
  [ComponentState.STARTING]: { text: "starting", tone: "info" },
  [ComponentState.WAITING_FOR_APP]: { text: "waiting for app", tone: "warn" },
  [ComponentState.RUNNING]: { text: "running", tone: "good" },
  [ComponentState.RECONNECTING]: { text: "reconnecting", tone: "warn" },
  [ComponentState.STALLED]: { text: "stalled", tone: "bad" },
  [ComponentState.STANDBY]: { text: "standby", tone: "quiet" },
  [ComponentState.PAUSED]: { text: "paused", tone: "quiet" },
  [ComponentState.FAILED]: { text: "failed", tone: "bad" },
};

const ends: Partial<Record<EventEnd, Word>> = {
  [EventEnd.HANDLED]: { text: "handled", tone: "good" },
  [EventEnd.DEAD_LETTER]: { text: "dead letter", tone: "bad" },
  [EventEnd.OUTPUT]: { text: "sent to an output", tone: "warn" },
  [EventEnd.DROPPED]: { text: "dropped", tone: "warn" },
  [EventEnd.RETURNED]: { text: "returned to the source", tone: "warn" },
  [EventEnd.DUPLICATE]: { text: "duplicate", tone: "quiet" },
};

const attempts: Partial<Record<AttemptOutcome, Word>> = {
  [AttemptOutcome.HANDLED]: { text: "handled", tone: "good" },
  [AttemptOutcome.REFUSED]: { text: "not handled", tone: "bad" },
  [AttemptOutcome.DROPPED]: { text: "dropped by the app", tone: "warn" },
  [AttemptOutcome.NOT_ATTEMPTED]: { text: "not attempted", tone: "quiet" },
  [AttemptOutcome.UNSENT]: { text: "did not reach the app", tone: "quiet" },
};

const places: Partial<Record<EventPlace, Word>> = {
  [EventPlace.QUEUED]: { text: "queued", tone: "info" },
  [EventPlace.WITH_APP]: { text: "with the app", tone: "info" },
  [EventPlace.WAITING_FOR_RETRY]: { text: "waits to be tried again", tone: "warn" },
  [EventPlace.HELD]: { text: "held", tone: "warn" },
};

const outcomes: Partial<Record<ReloadOutcome, Word>> = {
  [ReloadOutcome.APPLIED]: { text: "applied", tone: "good" },
  [ReloadOutcome.UNCHANGED]: { text: "nothing had changed", tone: "quiet" },
  [ReloadOutcome.PARTLY_APPLIED]: { text: "partly applied", tone: "warn" },
  [ReloadOutcome.REFUSED]: { text: "refused", tone: "bad" },
};

const changes: Partial<Record<ChangeKind, string>> = {
  [ChangeKind.CREATED]: "created",
  [ChangeKind.UPDATED]: "updated",
  [ChangeKind.DELETED]: "deleted",
  [ChangeKind.KEPT]: "kept",
};

const causes: Partial<Record<DeadLetterCause, string>> = {
  [DeadLetterCause.EXHAUSTED]: "attempts used up",
  [DeadLetterCause.REFUSED]: "rejected by the app",
};

const checks: Partial<Record<CheckKind, string>> = {
  [CheckKind.REACHABLE]: "Reachable",
  [CheckKind.AUTHENTICATED]: "Authenticated",
  [CheckKind.EXISTS]: "Exists",
  [CheckKind.MAY_READ]: "May read",
  [CheckKind.MAY_WRITE]: "May write",
  [CheckKind.DEFINITION]: "Definition",
};

const results: Partial<Record<CheckResult, Word>> = {
  [CheckResult.PASSED]: { text: "yes", tone: "good" },
  [CheckResult.FAILED]: { text: "no", tone: "bad" },
  [CheckResult.UNKNOWN]: { text: "not asked", tone: "quiet" },
};

const readinesses: Partial<Record<Readiness, string>> = {
  [Readiness.REQUIRED]: "required",
  [Readiness.OPTIONAL]: "optional",
  [Readiness.LAZY]: "lazy",
};

export const stateWord = (state: ComponentState): Word => states[state] ?? unknown;
export const endWord = (end: EventEnd): Word => ends[end] ?? unknown;
export const attemptWord = (outcome: AttemptOutcome): Word => attempts[outcome] ?? unknown;
export const placeWord = (place: EventPlace): Word => places[place] ?? unknown;
export const reloadWord = (outcome: ReloadOutcome): Word => outcomes[outcome] ?? unknown;
export const changeWord = (kind: ChangeKind): string => changes[kind] ?? "changed";
export const causeWord = (cause: DeadLetterCause): string => causes[cause] ?? "unknown";
export const checkWord = (kind: CheckKind): string => checks[kind] ?? "Other";
export const resultWord = (result: CheckResult): Word => results[result] ?? unknown;
export const readinessWord = (readiness: Readiness): string => readinesses[readiness] ?? "";

/** The ways in which a component or type is used: "input", "output", "input and output". */
export function directionsWord(directions: readonly Direction[]): string {
  const words = [
    ...(directions.includes(Direction.INPUT) ? ["input"] : []),
    ...(directions.includes(Direction.OUTPUT) ? ["output"] : []),
  ];
  return words.join(" and ");
}
