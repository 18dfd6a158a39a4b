import assert from "node:assert/strict";
import type { AnyBinding } from "../../binding.ts";
import type { ComponentSpec } from "../../component.ts";
import type { App } from "../../runtime/app.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import type { RuntimeLogger } from "../../runtime/runtime-logger.ts";
import type { ComponentStatus } from "../../runtime/status.ts";
import { createHttpEndpoints } from "../../server/http-endpoints.ts";
import type { Store } from "../../store/store.ts";

export type Line = {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: object;
  readonly message: string;
};

/** A logger that keeps its lines. */
export function keepingLogger(): RuntimeLogger & { readonly lines: Line[] } {
  const lines: Line[] = [];
  const write =
    (level: Line["level"]) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields, message });
  const logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => logger,
    lines,
  };
  return logger;
}

/** The one component of a {@link startComponent}. */
export const componentName = "orders";

export type StartedComponent = {
  readonly runtime: Runtime;
  readonly lines: readonly Line[];
  readonly status: () => ComponentStatus;
  /** Runs an operation. Resolves to the answer's text, or to nothing where it has none. Rejects with a `BindingError`. */
  readonly invoke: (
    operation: string,
    data?: string | Uint8Array,
    options?: { readonly metadata?: Record<string, string>; readonly signal?: AbortSignal },
  ) => Promise<string | undefined>;
  /** Fails unless an examination finds nothing wrong. */
  readonly examine: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** A runtime with one component of the binding; `properties` are its metadata. Resolves once the component was tried. */
export async function startComponent(
  binding: AnyBinding,
  properties: Readonly<Record<string, string>>,
  { app, store }: { readonly app?: App; readonly store?: Store | undefined } = {},
): Promise<StartedComponent> {
  const logger = keepingLogger();
  const runtime = createRuntime({
    appId: "contract",
    bindings: [binding],
    logger,
    http: createHttpEndpoints(),
    allowExec: true,
    ...(app === undefined ? {} : { app }),
    ...(store === undefined ? {} : { store }),
  });
  const spec: ComponentSpec = {
    name: componentName,
    type: `bindings.${binding.name}`,
    version: "v1",
    initTimeout: 5000,
    origin: undefined,
    properties: [],
    resolve: async () => ({ values: properties, secrets: [] }),
  };
  await runtime.apply([spec]);
  return {
    runtime,
    lines: logger.lines,
    status() {
      const [status] = runtime.components();
      if (status === undefined) throw new Error("the runtime has no component");
      return status;
    },
    async invoke(operation, data, { metadata = {}, signal } = {}) {
      const answer = await runtime.invoke({
        ...{ name: componentName, operation, metadata, encoding: "bytes" },
        data: typeof data === "string" ? Buffer.from(data) : data,
        signal: signal ?? new AbortController().signal,
      });
      return answer?.data === undefined ? undefined : Buffer.from(answer.data).toString();
    },
    async examine() {
      const { checks } = await runtime.examine(componentName, 10_000);
      const wrong = checks.filter(({ result }) => result === "failed");
      assert.deepEqual(wrong, []);
      assert.ok(checks.some(({ kind, result }) => kind === "definition" && result === "passed"));
    },
    close: () => runtime.close(),
  };
}
