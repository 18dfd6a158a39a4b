import { vi } from "vitest";
import type { AnyBinding, Answer, Logger, StreamAnswer } from "../../src/binding.ts";
import { parseFields } from "../../src/metadata/parse.ts";
import { requestParser } from "../../src/runtime/outputs/request.ts";
import { loadDriver } from "../../src/drivers.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";

type CallOptions = {
  data?: Uint8Array | string;
  encoding?: "bytes" | "json";
  signal?: AbortSignal;
};

/** An output binding, opened as the runtime would, of which a test invokes operations. */
export type OpenedOutput = AsyncDisposable & {
  invoke(
    operation: string,
    metadata?: Record<string, string>,
    options?: CallOptions,
  ): Promise<Answer | undefined>;
  /** The same with a payload in parts. */
  invokeStream(
    operation: string,
    metadata: Record<string, string>,
    body: AsyncIterable<Uint8Array>,
  ): Promise<StreamAnswer | undefined>;
  ping(): Promise<void>;
  /** Resolves with the reason once the binding says that its connection is gone. */
  readonly lost: Promise<unknown>;
  readonly logger: Record<keyof Logger, ReturnType<typeof vi.fn>>;
};

export async function openOutput(
  binding: AnyBinding,
  properties: Record<string, string>,
  signal: AbortSignal = AbortSignal.timeout(20_000),
  memory = new MemoryBudget().share("test"),
): Promise<OpenedOutput> {
  const { values, problems } = parseFields(binding.metadata, properties);
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.message).join("; "));
  const lost = Promise.withResolvers<unknown>();
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const connection = await binding.open({
    component: { name: "output", appId: "test" },
    metadata: values,
    directions: { input: false, output: true },
    logger,
    signal,
    http: { listen: () => Promise.reject(new Error("an output serves nothing")) },
    memory,
    driver: (name, path) => loadDriver(name, binding.drivers?.[name] ?? "", undefined, path),
    lost: lost.resolve,
    notice() {},
  });
  return {
    logger,
    lost: lost.promise,
    async invoke(operation, metadata = {}, options = {}) {
      const { data, encoding = "bytes", signal } = options;
      const declared = operationOf(binding, operation);
      const answer = await declared.invoke(connection, {
        ...callOf(declared, operation, metadata, values, signal),
        data: typeof data === "string" ? Buffer.from(data) : data,
        encoding,
      });
      return answer ?? undefined;
    },
    async invokeStream(operation, metadata, body) {
      const declared = operationOf(binding, operation);
      const call = { ...callOf(declared, operation, metadata, values), body };
      const answer = await declared.invokeStream?.(connection, call);
      return answer ?? undefined;
    },
    async ping() {
      await binding.ping?.(connection, AbortSignal.timeout(5000));
    },
    async [Symbol.asyncDispose]() {
      await connection[Symbol.asyncDispose]();
    },
  };
}

type AnyOperation = NonNullable<AnyBinding["operations"]>[string];

function operationOf(binding: AnyBinding, operation: string): AnyOperation {
  const declared = binding.operations?.[operation];
  if (declared === undefined) throw new Error(`no operation ${operation}`);
  return declared;
}

function callOf(
  declared: AnyOperation,
  operation: string,
  properties: Record<string, string>,
  metadata: Readonly<Record<string, unknown>>,
  signal = new AbortController().signal,
) {
  return {
    operation,
    request: requestParser(declared.request)(properties),
    properties,
    metadata,
    signal,
  };
}

/** The text of an answer's data. */
export function textOf(answer: Answer | undefined): string | undefined {
  return answer?.data === undefined ? undefined : Buffer.from(answer.data).toString("utf8");
}

/** Every byte there is, once. */
export const allBytes = Uint8Array.from({ length: 256 }, (_, index) => index);
