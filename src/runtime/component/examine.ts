import type { AnyBinding, HttpEndpoints } from "../../binding.ts";
import { abortable } from "../../abortable.ts";
import type { ComponentSpec } from "../../component.ts";
import type { DriversFolder } from "../../drivers.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { isAway, type Check } from "../../examination.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { RuntimeLogger } from "../runtime-logger.ts";
import type { ComponentCode } from "./component-code.ts";
import { ExaminationReport } from "./examination-report.ts";
import { openComponent, shown, type OpenedComponent } from "./opening.ts";

export type ExamineOptions = {
  readonly appId: string;
  readonly spec: ComponentSpec;
  /** `undefined`: there is no binding of its type. */
  readonly code: ComponentCode | undefined;
  readonly http: HttpEndpoints;
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
  try {
    await code.load?.();
  } catch (error) {
    const detail = messageOf(error);
    return [{ kind: "definition", subject: "", result: "failed", detail }];
  }
  return examine(options, code.binding);
}

async function examine(options: ExamineOptions, binding: AnyBinding): Promise<Check[]> {
  const { timeout, signal: ended, code: _, ...rest } = options;
  const report = new ExaminationReport();
  const signals = [AbortSignal.timeout(timeout), ...(ended === undefined ? [] : [ended])];
  const signal = AbortSignal.any(signals);
  let directions = { input: binding.read !== undefined, output: binding.operations !== undefined };
  let opened: OpenedComponent | undefined;
  try {
    opened = await openComponent({
      ...{ ...rest, binding, signal, examines: true },
      lost: () => undefined,
      notice: () => undefined,
      run: (open) => open(),
      onRedact: () => undefined,
      onSecrets: () => undefined,
      onDirections: (known) => (directions = known),
    });
  } catch (error) {
    report.openingFailed(BindingError.from(error, "unavailable", "unsent"), directions);
    return report.finish(binding, directions);
  }
  try {
    report.passed("definition");
    if (await answersPing(binding, opened, signal, timeout, report)) {
      const { metadata, redact, connection } = opened;
      const given = { metadata: metadata as never, directions, signal };
      await bounded(
        Promise.resolve(binding.examine?.(connection, report.examination(given, redact))),
        signal,
        timeout,
      );
    }
  } catch (error) {
    report.interrupted(shown(error, opened.redact).message);
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
  signal: AbortSignal,
  timeout: number,
  report: ExaminationReport,
): Promise<boolean> {
  if (binding.ping === undefined) return true;
  try {
    await bounded(Promise.resolve(binding.ping(connection, signal)), signal, timeout);
    report.passed("reachable");
    return true;
  } catch (thrown) {
    const error = shown(thrown, redact);
    const isThere = !isAway(error);
    const detail = error.message;
    if (isThere) report.passed("reachable");
    else report.add({ kind: "reachable", subject: "", result: "failed", detail });
    if (error.reason === "unauthenticated")
      report.add({ kind: "authenticated", subject: "", result: "failed", detail });
    return isThere && error.reason !== "unauthenticated";
  }
}

function bounded<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
  timeout: number,
): Promise<Result> {
  return abortable(work, signal, () => {
    const text = `no answer within ${timeout} ms; --timeout allows more time`;
    return new BindingError("deadline_exceeded", text, { effect: "unsent" });
  });
}
