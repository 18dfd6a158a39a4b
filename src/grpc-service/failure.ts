import { BindingError } from "../errors.ts";
import { meaningOf, type Meaning } from "../grpc-meanings.ts";
import { CallFailure } from "../grpc/client.ts";
import { Code } from "../grpc/status.ts";

/** What services mean otherwise. A quota, or load, is looked at before anything is done. */
const own = new Map<number, Meaning>([
  [Code.resourceExhausted, { reason: "resource_exhausted", effect: "unsent" }],
  [Code.aborted, { reason: "aborted", effect: "ambiguous" }],
  [Code.dataLoss, { reason: "internal", effect: "ambiguous" }],
]);

const longestMessage = 2_000;

/** As Go writes `NOT_FOUND`. */
function goName(status: string): string {
  return status.replaceAll(
    /([A-Z])([A-Z]*)_?/g,
    (_, first: string, rest: string) => first + rest.toLowerCase(),
  );
}

/**
 * What a call failed of, in the words of Go's gRPC, which Dapr's users see. `what`: the call, as `reading
 * projects/p/subscriptions/s`; empty: the words alone. `remedyOf`: what to do, for the end of the message.
 */
export function failureOf(
  thrown: unknown,
  what: string,
  remedyOf: (failure: CallFailure) => string = () => "",
): BindingError {
  if (!(thrown instanceof CallFailure)) return BindingError.from(thrown);
  const { kind, code, status, message } = thrown;
  const { reason, effect } = meaningOf(code, own);
  const said = message.slice(0, longestMessage).toWellFormed() || "the server says no more";
  const words = `rpc error: code = ${goName(status)} desc = ${said}${remedyOf(thrown)}`;
  return new BindingError(reason, what === "" ? words : `${what}: ${words}`, {
    effect: kind === "failed" ? effect : kind === "unsent" ? "unsent" : "ambiguous",
    systemCode: status,
    cause: thrown,
  });
}

/** Whether the same may go well a moment later, by itself. */
export function mayPass(failure: CallFailure): boolean {
  const passing: readonly number[] = [
    ...[Code.deadlineExceeded, Code.resourceExhausted, Code.aborted, Code.internal],
    ...[Code.unavailable, Code.unknown, Code.cancelled],
  ];
  return failure.kind !== "failed" || passing.includes(failure.code);
}

/** As {@link mayPass}, of what {@link failureOf} gave. */
export function mayPassLater({ cause, effect }: BindingError): boolean {
  return cause instanceof CallFailure ? mayPass(cause) : effect === "unsent";
}
