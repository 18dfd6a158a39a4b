import type { AnyBinding } from "../../binding.ts";
import type { BindingError } from "../../errors.ts";
import { checkKinds, type Check, type CheckKind, type Examination } from "../../examination.ts";
import type { PortUse } from "../../port-use.ts";
import type { Redact } from "../../secrets.ts";
import { shown } from "./opening.ts";

type Directions = { readonly input: boolean; readonly output: boolean };

/** Gathers the answers of one examination; what nobody asked is told as such. */
export class ExaminationReport {
  readonly #checks: Check[] = [];
  readonly #omitted = new Set<CheckKind>();
  readonly #portsInUse = new Set<number>();
  #interruption: string | undefined;

  /** The answers, by kind in the order of {@link checkKinds}. */
  finish(binding: AnyBinding, directions: Directions): Check[] {
    for (const port of this.#portsInUse) {
      const detail = "it is in use: by the runtime that has the component, or by another program";
      this.add({ kind: "reachable", subject: `port ${port}`, result: "unknown", detail });
    }
    const why = this.#whyUnknown(binding);
    for (const kind of checkKinds) {
      if (this.#omitted.has(kind) || this.#checks.some((one) => one.kind === kind)) continue;
      if (kind === "may read" && !directions.input) continue;
      if (kind === "may write" && !directions.output) continue;
      this.add({ kind, subject: "", result: "unknown", detail: why });
    }
    return checkKinds.flatMap((kind) => this.#checks.filter((one) => one.kind === kind));
  }

  #whyUnknown({ name }: AnyBinding): string {
    if (this.#interruption !== undefined) return `not asked: ${this.#interruption}`;
    const failed = this.#checks.find(({ result }) => result === "failed");
    if (failed === undefined)
      return `${name} cannot be asked this without consuming or changing something`;
    return failed.kind === "definition"
      ? "not asked: the definition cannot be used"
      : `not asked: "${failed.kind}" failed`;
  }

  /** The questions ended before all were put. */
  interrupted(why: string): void {
    this.#interruption = why;
  }

  /** A port that the component listens on. One that is in use may be the runtime's, whatever is told of it. */
  port(port: number, use: PortUse): void {
    if (use === "unknown") this.#portsInUse.add(port);
  }

  /** The time was over before all questions were answered. A system that has answered none of them cannot be reached. */
  late(why: string): void {
    const isOpen = !this.#checks.some(({ kind }) => kind === "reachable");
    if (isOpen && !this.#omitted.has("reachable"))
      this.add({ kind: "reachable", subject: "", result: "failed", detail: why });
    else this.#interruption = why;
  }

  /** A later answer to the same question takes the place of the earlier one. */
  add(check: Check): void {
    const at = this.#checks.findIndex(
      ({ kind, subject }) => kind === check.kind && subject === check.subject,
    );
    if (at === -1) this.#checks.push(check);
    else this.#checks[at] = check;
  }

  passed(kind: CheckKind, detail = ""): void {
    if (!this.#checks.some((one) => one.kind === kind && one.subject === ""))
      this.add({ kind, subject: "", result: "passed", detail });
  }

  /** What a connection that could not be opened tells of each kind. */
  openingFailed(error: BindingError, directions: Directions): void {
    const fail = (kind: CheckKind): void =>
      this.add({ kind, subject: "", result: "failed", detail: error.message });
    const known = knownBefore[error.reason];
    if (known === undefined) {
      this.passed("definition");
      return fail("reachable");
    }
    for (const kind of known.passed) this.passed(kind);
    if (known.failed === "may read" && directions.output && !directions.input)
      return fail("may write");
    fail(known.failed);
  }

  /** What a binding's `examine` is given. */
  examination(
    given: Pick<Examination<never>, "metadata" | "directions" | "signal">,
    redact: Redact,
  ): Examination<never> {
    return {
      ...given,
      ask: async (kind, asked, question) => {
        const subject = redact(asked);
        try {
          const detail = redact((await question()) ?? "");
          this.add({ kind, subject, result: "passed", detail });
          return true;
        } catch (thrown) {
          const error = shown(thrown, redact);
          this.add({ kind, subject, result: resultOf(kind, error), detail: error.message });
          return false;
        }
      },
      unknown: (kind, subject, why) =>
        this.add({ kind, subject: redact(subject), result: "unknown", detail: redact(why) }),
      omit: (...kinds) => {
        for (const kind of kinds) this.#omitted.add(kind);
      },
    };
  }
}

type Known = { readonly passed: readonly CheckKind[]; readonly failed: CheckKind };

/** By the reason of an error of `open`; one that is not here says that the system cannot be reached. */
const knownBefore: Partial<Record<BindingError["reason"], Known>> = {
  invalid_argument: { passed: [], failed: "definition" },
  failed_precondition: { passed: [], failed: "definition" },
  unimplemented: { passed: [], failed: "definition" },
  unauthenticated: { passed: ["definition", "reachable"], failed: "authenticated" },
  permission_denied: { passed: ["definition", "reachable"], failed: "may read" },
  not_found: { passed: ["definition", "reachable"], failed: "exists" },
};

/** Whether an error answers the question with no, or leaves it open. */
function resultOf(kind: CheckKind, { reason }: BindingError): Check["result"] {
  if (kind === "reachable" || kind === "definition") return "failed";
  switch (reason) {
    case "permission_denied":
      return kind === "may read" || kind === "may write" ? "failed" : "unknown";
    case "unauthenticated":
      return kind === "authenticated" ? "failed" : "unknown";
    case "not_found":
      return kind === "exists" ? "failed" : "unknown";
    case "unavailable":
    case "deadline_exceeded":
    case "cancelled":
    case "resource_exhausted":
    case "unimplemented":
      return "unknown";
    default:
      return "failed";
  }
}
