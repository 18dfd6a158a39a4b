import type { AnyBinding, HttpEndpoints } from "../../binding.ts";
import { abortable } from "../../abortable.ts";
import type { ComponentSpec } from "../../component.ts";
import type { DriversFolder } from "../../drivers.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { isAway, type Check } from "../../examination.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { formatDuration, longestTimer } from "../../metadata/duration.ts";
import type { PortProbe } from "../../port-use.ts";
import type { RuntimeLogger } from "../runtime-logger.ts";
import type { ComponentCode } from "./component-code.ts";
import { ExaminationReport } from "./examination-report.ts";
import { examinedEndpoints } from "./examined-endpoints.ts";
import { openComponent, shown, type OpenedComponent } from "./opening.ts";

export type ExamineOptions = {
  readonly appId: string;
  readonly spec: ComponentSpec;
  /** `undefined`: there is no binding of its type. */
  readonly code: ComponentCode | undefined;
  /** Without `probe` nothing is told of ports. */
  readonly http: HttpEndpoints & Partial<PortProbe>;
  readonly memory: MemoryShare;
  readonly driversFolder: DriversFolder;
  readonly allowExec: boolean;
  readonly logger: RuntimeLogger;
  /** How long it may take, in milliseconds. */
  readonly timeout: number;
  /** Ends it sooner. */
  readonly signal?: AbortSignal;
};

/** What an examination found. */
export type Examined = {
  readonly component: string;
  readonly type: string;
  readonly checks: readonly Check[];
  /** Milliseconds. */
  readonly took: number;
};

/**
 * Examines a component by a connection of its own, beside the one that it may have: opens it, pings the system, and asks
 * what its binding knows to ask. Consumes and changes nothing, and never rejects.
 */
export async function examineComponent(options: ExamineOptions): Promise<Examined> {
  const { spec, code } = options;
  const started = performance.now();
  const checks = code === undefined ? [unknownType(spec)] : await examineCode(options, code);
  const took = Math.round(performance.now() - started);
  return { component: spec.name, type: spec.type, checks, took };
}

function unknownType({ type }: ComponentSpec): Check {
  const detail = `no binding is of the type ${type}; see cufflink types`;
  return { kind: "definition", subject: "type", result: "failed", detail };
}

async function examineCode(options: ExamineOptions, code: ComponentCode): Promise<Check[]> {
  const limit = new TimeLimit(options);
  try {
    await limit.bound(Promise.resolve(code.load?.()));
  } catch (error) {
    const detail = messageOf(error);
    return [{ kind: "definition", subject: "", result: "failed", detail }];
  }
  return examine(options, code.binding, limit);
}

async function examine(
  options: ExamineOptions,
  binding: AnyBinding,
  limit: TimeLimit,
): Promise<Check[]> {
  const { timeout: _, signal: _ended, code: _code, ...rest } = options;
  const report = new ExaminationReport();
  const { signal } = limit;
  let directions = { input: binding.read !== undefined, output: binding.operations !== undefined };
  let isDefined = false;
  const opening = openComponent({
    ...{ ...rest, binding, signal, examines: true },
    http: examinedEndpoints(options.http, (port, use) => report.port(port, use)),
    lost: () => undefined,
    notice: () => undefined,
    run: (open) => open(),
    onRedact: () => undefined,
    onSecrets: () => (isDefined = true),
    onDirections: (known) => (directions = known),
  });
  let opened: OpenedComponent | undefined;
  try {
    opened = await limit.bound(opening);
  } catch (thrown) {
    // One that opens after all is closed again.
    opening.then((late) => late[Symbol.asyncDispose]()).catch(() => undefined);
    const error = limit.failure() ?? BindingError.from(thrown, "unavailable", "unsent");
    if (isDefined) report.openingFailed(error, directions);
    else {
      const { remoteSecretStores: stores = [] } = options.spec;
      const from =
        limit.signal.aborted && stores.length > 0 ? `secrets of ${stores.join(", ")}: ` : "";
      const detail = from + error.message;
      report.add({ kind: "definition", subject: "", result: "failed", detail });
    }
    return report.finish(binding, directions);
  }
  try {
    report.passed("definition");
    if (await answersPing(binding, opened, limit, report)) {
      const { metadata, redact, connection } = opened;
      const given = { metadata: metadata as never, directions, signal };
      await limit.bound(
        Promise.resolve(binding.examine?.(connection, report.examination(given, redact))),
      );
    }
  } catch (error) {
    const late = limit.failure();
    if (late === undefined) report.interrupted(shown(error, opened.redact).message);
    else report.late(late.message);
  } finally {
    // A driver that does not let go must not hold up the answer.
    void opened[Symbol.asyncDispose]();
  }
  return report.finish(binding, directions);
}

/** Whether the binding's questions are to be put. A system that refuses a ping is there. */
async function answersPing(
  binding: AnyBinding,
  { connection, redact }: OpenedComponent,
  limit: TimeLimit,
  report: ExaminationReport,
): Promise<boolean> {
  if (binding.ping === undefined) return true;
  try {
    await limit.bound(Promise.resolve(binding.ping(connection, limit.signal)));
    report.passed("reachable");
    return true;
  } catch (thrown) {
    const error = limit.failure() ?? shown(thrown, redact);
    const isThere = !isAway(error);
    const detail = error.message;
    if (isThere) report.passed("reachable");
    else report.add({ kind: "reachable", subject: "", result: "failed", detail });
    if (error.reason === "unauthenticated")
      report.add({ kind: "authenticated", subject: "", result: "failed", detail });
    return isThere && error.reason !== "unauthenticated";
  }
}

/** How long one examination may take as a whole. */
class TimeLimit {
  /** Aborted when the time is over, or nobody wants the answer any more. */
  readonly signal: AbortSignal;
  readonly #timeout: number;

  constructor({ timeout, signal: ended }: Pick<ExamineOptions, "timeout" | "signal">) {
    this.#timeout = Math.min(timeout, longestTimer);
    const signals = [AbortSignal.timeout(this.#timeout), ...(ended === undefined ? [] : [ended])];
    this.signal = AbortSignal.any(signals);
  }

  /** Rejects as soon as the time is over, whatever the work does then. */
  bound<Result>(work: Promise<Result>): Promise<Result> {
    return abortable(work, this.signal, () => this.failure());
  }

  /** That the time is over; `undefined`: it is not. */
  failure(): BindingError | undefined {
    if (!this.signal.aborted) return undefined;
    const { reason } = this.signal;
    const isLate = reason instanceof Error && reason.name === "TimeoutError";
    const text = isLate
      ? `no answer within ${formatDuration(this.#timeout)}; --timeout allows more time`
      : "the examination was cancelled";
    return new BindingError(isLate ? "deadline_exceeded" : "cancelled", text, { effect: "unsent" });
  }
}
