import { onTestFinished, vi } from "vitest";
import { defineBinding } from "../../src/binding.ts";
import type { AnyBinding, Call, Opening, Reading } from "../../src/binding.ts";
import type { ComponentSpec } from "../../src/component.ts";
import { integer, string } from "../../src/metadata/fields.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { RuntimeOptions } from "../../src/runtime/runtime-options.ts";
import { keepingLogger } from "./source-event.ts";

const fields = {
  host: string({ description: "Where the system is.", required: true }),
  size: integer({ description: "How large it is.", default: "1", max: 100 }),
};

type Open = Opening<typeof fields>;
type Read = Reading<typeof fields>;

/** A system in the test, with what happens to it. */
export class FakeSystem {
  readonly log: string[] = [];
  readonly openings: Open[] = [];
  readonly readings: Read[] = [];
  readonly calls: Call<typeof fields, Record<never, never>>[] = [];
  open: (opening: Open) => Promise<void> | void = () => undefined;
  read: (reading: Read) => Promise<void> | void = () => undefined;
  invoke: (call: Call<typeof fields, Record<never, never>>) => Promise<string | void> = async () =>
    undefined;

  /** The newest reading. */
  get reading(): Read {
    const reading = this.readings.at(-1);
    if (reading === undefined) throw new Error("nobody reads");
    return reading;
  }

  get opening(): Open {
    const opening = this.openings.at(-1);
    if (opening === undefined) throw new Error("nobody opened");
    return opening;
  }

  /** As a binding: an input, an output, or both. */
  binding(name: string, directions: "input" | "output" | "both" = "both"): AnyBinding {
    const input = directions !== "output";
    const output = directions !== "input";
    const invoke = async (
      _connection: AsyncDisposable,
      call: Call<typeof fields, Record<never, never>>,
    ) => {
      this.calls.push(call);
      const text = await this.invoke(call);
      return text === undefined ? undefined : { data: Buffer.from(text) };
    };
    const operations = {
      create: { description: "Creates.", request: {}, invoke },
      set: { description: "Sets.", request: {}, idempotent: true, invoke },
      put: {
        description: "Sets, or adds.",
        request: { mode: string({ description: "How.", default: "set" }) },
        idempotent: (request: object) => "mode" in request && request.mode === "set",
        invoke,
      },
    };
    return defineBinding({
      name,
      aliases: [`${name}-alias`],
      status: "alpha",
      summary: "A system in the test.",
      metadata: fields,
      open: async (opening) => {
        const number = this.openings.push(opening);
        await this.open(opening);
        this.log.push(`open ${number}`);
        return { [Symbol.asyncDispose]: async () => void this.log.push(`dispose ${number}`) };
      },
      ...(output ? { operations } : {}),
      ...(input
        ? {
            read: async (_connection: AsyncDisposable, reading: Read) => {
              const number = this.readings.push(reading);
              await this.read(reading);
              this.log.push(`read ${number}`);
              return {
                stop: () => void this.log.push(`stop ${number}`),
                flush: () => void this.log.push(`flush ${number}`),
                close: () => void this.log.push(`close ${number}`),
                credit: (events: number) => void this.log.push(`credit ${events}`),
              };
            },
          }
        : {}),
    });
  }
}

/** A component of the fake binding. */
export function component(
  type: string,
  values: Record<string, string> = {},
  options: Partial<ComponentSpec> & { secrets?: string[] } = {},
): ComponentSpec {
  const { secrets = [], ...rest } = options;
  const all = { host: "here", ...values };
  return {
    name: "orders",
    type: `bindings.${type}`,
    version: "v1",
    initTimeout: 5000,
    origin: undefined,
    properties: [],
    resolve: async () => ({ values: all, secrets }),
    ...rest,
  };
}

/** A runtime that is closed after the test, with its log. */
export function startRuntime(options: Partial<RuntimeOptions>) {
  const logger = keepingLogger();
  const runtime: Runtime = createRuntime({
    appId: "shop",
    bindings: [],
    logger,
    http: { listen: () => Promise.reject(new Error("nothing is served")) },
    ...options,
  });
  onTestFinished(async () => {
    const closed = runtime.close();
    if (vi.isFakeTimers()) await vi.advanceTimersByTimeAsync(60_000);
    await closed;
  });
  const status = (name = "orders") => {
    const one = runtime.components().find((each) => each.name === name);
    if (one === undefined) throw new Error(`no component ${name}`);
    return one;
  };
  const invoke = async (
    name: string,
    operation = "create",
    data?: string,
    rest: { metadata?: Record<string, string>; signal?: AbortSignal } = {},
  ) => {
    const answer = await runtime.invoke({
      name,
      operation,
      data: data === undefined ? undefined : Buffer.from(data),
      encoding: "bytes",
      metadata: {},
      signal: new AbortController().signal,
      ...rest,
    });
    return answer?.data === undefined ? answer : Buffer.from(answer.data).toString();
  };
  return { runtime, status, invoke, lines: logger.lines };
}
