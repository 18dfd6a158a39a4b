import type { AnyBinding, Answer, StreamAnswer } from "../../binding.ts";
import { requestParser } from "../../runtime/outputs/request.ts";
import { open, type OpenOptions } from "./open.ts";

type CallOptions = {
  readonly data?: Uint8Array | string;
  readonly encoding?: "bytes" | "json";
  readonly signal?: AbortSignal;
};

/** An output binding, opened as the runtime would, of which a test invokes operations: nothing is repeated. */
export type OpenedOutput = AsyncDisposable & {
  /** Runs an operation once. Rejects with what the binding throws. */
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
};

/** Opens an output with the metadata `properties`; the caller closes it. */
export async function openOutput(
  binding: AnyBinding,
  properties: Readonly<Record<string, string>>,
  options: OpenOptions = {},
): Promise<OpenedOutput> {
  const { connection, opening, lost } = await open(
    binding,
    properties,
    { input: false, output: true },
    { name: "output", ...options },
  );
  const { metadata: values } = opening;
  return {
    lost,
    async invoke(operation, metadata = {}, { data, encoding = "bytes", signal } = {}) {
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
