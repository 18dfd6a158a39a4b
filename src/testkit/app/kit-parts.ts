import { setTimeout as wait } from "node:timers/promises";
import { BindingError } from "../../errors.ts";
import { formatProblem } from "../../resources/problem.ts";
import { findComponent, nearestOf } from "../../runtime/find-component.ts";
import type { ComponentStatus } from "../../runtime/status.ts";
import { parseFault, parseFaultOf, whyUseless, type FaultRule } from "./faults.ts";
import type { StandIns } from "./stand-ins.ts";
import type { TestInput, TestOutput } from "./testkit.ts";
import type { Wired } from "./wiring.ts";

/** What the parts of a kit share. */
export type KitParts = {
  readonly appId: string;
  readonly standIns: StandIns;
  readonly wired: Wired;
  /** The app may come late, and say later what it wants. */
  readonly isRemote: boolean;
  /** Runs something by the kit's time. */
  readonly within: <Result>(run: () => Result) => Result;
  /** The same of something that the time waits for, unless it waits for the time. */
  readonly asPart: <Result>(run: () => Promise<Result>) => Promise<Result>;
};

/** The source behind an input. Throws where there is none. */
export function inputsOf(parts: KitParts, name: string): TestInput {
  const { standIns, within } = parts;
  const { directions, operations } = findComponent(parts.wired.runtime, name);
  if (!directions.input) {
    const text = `component ${name} is an output: it reads no events, it is invoked (${operations.join(", ")})`;
    throw new BindingError("failed_precondition", text);
  }
  const { input } = standIns.of(name);
  return {
    async deliver(event) {
      const isPayload = typeof event === "string" || event instanceof Uint8Array;
      await refuseUnreadable(parts, name);
      return within(() => input.deliver(isPayload ? { data: event } : event));
    },
    get delivered() {
      return input.delivered;
    },
    get backlog() {
      return input.backlog;
    },
    cut: (reason = "the connection was cut") => input.cut(reason),
    fault: (text) => script(parts, parseFaultOf(name, text)),
  };
}

/** The system behind an output. Throws where there is none. */
export function outputsOf(parts: KitParts, name: string): TestOutput {
  const { operations, type } = findComponent(parts.wired.runtime, name);
  if (operations.length === 0) {
    const text = type.startsWith("state.")
      ? `component ${name} is a state store: ask states(${JSON.stringify(name)})`
      : `component ${name} is an input: it cannot be invoked`;
    throw new BindingError("failed_precondition", text);
  }
  const { output } = parts.standIns.of(name);
  const known = (operation: string): string => {
    if (operations.includes(operation)) return operation;
    const text = `${name} has no operation ${JSON.stringify(operation)}; ${nearestOf(operation, operations)}`;
    throw new BindingError("unimplemented", text);
  };
  return {
    get calls() {
      return output.calls;
    },
    get attempts() {
      return output.attempts;
    },
    on: (operation, answer) => output.answer(known(operation), answer, false),
    once: (operation, answer) => output.answer(known(operation), answer, true),
    next: async (operation) => output.next(operation && known(operation)),
    clear: () => output.clear(),
    fault: (text) => script(parts, parseFaultOf(name, text)),
  };
}

/** Puts a fault in force. Throws an `Error` that says what is wrong with it. */
export function scriptFault(parts: KitParts, text: string): void {
  script(parts, parseFault(text));
}

function script({ wired, standIns }: KitParts, rule: FaultRule): void {
  const status = findComponent(wired.runtime, rule.component);
  const { directions, operations } = status;
  const why = whyUseless(rule, { input: directions.input, operations });
  if (why !== undefined)
    throw new Error(
      `the fault ${JSON.stringify(rule.text)} cannot strike component ${rule.component}: ${why}`,
    );
  standIns.faults.add(rule);
}

/** Throws what is wrong with the resources, where something is that keeps a component from working. */
export function refuseFailed({ runtime, problems }: Wired): void {
  const mistakes = problems().filter(({ severity }) => severity === "error");
  const failed = runtime.components().filter(({ state }) => state === "failed");
  if (mistakes.length === 0 && failed.length === 0) return;
  const texts = [
    ...failed.map(({ name, reason }) => `component ${name} has failed: ${reason}`),
    ...mistakes.map((problem) => formatProblem(problem)),
  ];
  throw new BindingError("failed_precondition", [...new Set(texts)].join("\n"));
}

/** An event that will never be read would be waited for in vain. */
async function refuseUnreadable({ wired, isRemote }: KitParts, name: string): Promise<void> {
  const { state, reason } = findComponent(wired.runtime, name);
  const refuse = (why: string): never => {
    throw new BindingError("failed_precondition", `component ${name} reads nothing: ${why}`);
  };
  if (state === "failed") refuse(`it has failed: ${reason}`);
  const { app } = wired;
  if (app === undefined) return refuse("the kit was given no app");
  if (isRemote) return;
  const input = { name, route: name };
  if (await app.wants(input, new AbortController().signal)) return;
  refuse(["the app does not want its events", app.whyUnwanted?.(input)].filter(Boolean).join(": "));
}

/** Resolves once every component works, and every input reads that the app wants, in real time. */
export async function untilReady(parts: KitParts, longest: number): Promise<void> {
  const end = performance.now() + longest;
  for (;;) {
    const { runtime } = parts.wired;
    const looks = runtime
      .components()
      .map(async (one) => ({ ...one, late: await isLate(parts, one) }));
    const late = (await Promise.all(looks)).filter((one) => one.late);
    if (late.length === 0) return;
    if (performance.now() > end || late.some(({ state }) => state === "failed")) {
      const states = late.map(({ name, state, reason }) => {
        const how = state === "running" ? "not read yet" : `${state}${reason && ` (${reason})`}`;
        return `${name} is ${how}`;
      });
      throw new BindingError("unavailable", `not ready: ${states.join("; ")}`);
    }
    await wait(5);
  }
}

async function isLate(
  { wired: { app }, standIns }: KitParts,
  { name, state, directions }: ComponentStatus,
): Promise<boolean> {
  if (directions.input && app !== undefined && !standIns.of(name).input.isRead) {
    const target = app.of?.(name) ?? app;
    if (!target.available) return true;
    // One that the app does not want is as ready as it will be.
    const input = { name, route: name };
    return target.wants(input, AbortSignal.timeout(1000)).catch(() => true);
  }
  return state !== "running" && !(state === "waiting for app" && app === undefined);
}
