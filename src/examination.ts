import type { BindingError } from "./errors.ts";
import type { Fields, Values } from "./metadata/fields.ts";

/** What an examination asks of a component, in the order in which it is told. */
export const checkKinds = [
  "definition",
  "reachable",
  "authenticated",
  "exists",
  "may read",
  "may write",
] as const;

/**
 * - `definition`: the metadata, secrets and driver can be used.
 * - `reachable`: the system answers.
 * - `authenticated`: it knows the credentials.
 * - `exists`: what the component names is there, such as a queue, a table or a bucket.
 * - `may read`, `may write`: the credentials allow it.
 */
export type CheckKind = (typeof checkKinds)[number];

/** The answer to one question. */
export type Check = {
  readonly kind: CheckKind;
  /** What it was asked of, such as `topic orders`. Empty: the system as a whole. */
  readonly subject: string;
  /** `unknown`: it cannot be asked without consuming or changing something, or an earlier answer was no. */
  readonly result: "passed" | "failed" | "unknown";
  /** What was seen, or what the system said and what to do. Empty: nothing is to be told. */
  readonly detail: string;
};

/** What a binding's `examine` is given, and reports to. */
export type Examination<MetadataFields extends Fields> = Questions & {
  readonly metadata: Values<MetadataFields>;
  /** Which directions the component uses. */
  readonly directions: { readonly input: boolean; readonly output: boolean };
};

/** How questions are put and answered. */
export type Questions = {
  /** Aborted when the examination has taken too long. */
  readonly signal: AbortSignal;
  /**
   * Asks one question and reports the answer: `passed` when it resolves, with the text it resolves to as the detail. A
   * `BindingError` is the answer no, or that the question could not be put: `permission_denied` says nothing of whether
   * something exists, and a system that is away says nothing of anything. Resolves to whether it passed.
   */
  readonly ask: (
    kind: CheckKind,
    subject: string,
    question: () => Promise<string | void> | string | void,
  ) => Promise<boolean>;
  /** Reports what cannot be asked, and why. */
  readonly unknown: (kind: CheckKind, subject: string, why: string) => void;
  /** Says that a kind means nothing to this system: a folder has no log-in. */
  readonly omit: (...kinds: readonly CheckKind[]) => void;
};

const awayReasons: ReadonlySet<BindingError["reason"]> = new Set([
  "unavailable",
  "deadline_exceeded",
  "cancelled",
  "internal",
]);

/** Whether an error says that the system has not answered, or cannot work. */
export function isAway({ reason }: BindingError): boolean {
  return awayReasons.has(reason);
}
