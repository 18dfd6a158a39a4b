import { AsyncLocalStorage } from "node:async_hooks";

/** How log lines name a span. */
type TraceFields = { readonly trace_id: string; readonly span_id: string };

/** Made with the first recorded work: where nothing is recorded, nobody pays for looking. */
let storage: AsyncLocalStorage<{ fields: TraceFields | undefined }> | undefined;

/**
 * Runs work of a span: the lines that a binding logs in it have the span's ids, until it has ended. What it has begun and goes on
 * afterwards, as a connection, is no longer the span's.
 */
export async function logTraced<Result>(
  { traceId, spanId }: { readonly traceId: string; readonly spanId: string },
  run: () => Result | Promise<Result>,
): Promise<Result> {
  storage ??= new AsyncLocalStorage();
  const current = { fields: { trace_id: traceId, span_id: spanId } as TraceFields | undefined };
  try {
    return await storage.run(current, run);
  } finally {
    current.fields = undefined;
  }
}

/** The ids for a line that is logged now; `undefined`: it belongs to no recorded work. */
export function traceFields(): TraceFields | undefined {
  return storage?.getStore()?.fields;
}
