import { BindingError } from "../../errors.ts";
import { CallFailure, type UnaryResult } from "../../grpc/client.ts";
import { codeName } from "../../grpc/status.ts";
import { meaningOf } from "../../grpc-meanings.ts";

/** The most characters of a component's text that are told. */
const longestText = 4096;

/** A call of a component that did not end well, in the words by which daprd passes it on. */
export function callFailure(thrown: unknown, what: string): BindingError {
  if (!(thrown instanceof CallFailure)) return BindingError.from(thrown);
  const { kind, code, status, message } = thrown;
  const { reason, effect } = meaningOf(code);
  const text = `${what}rpc error: code = ${goName(code)} desc = ${message.slice(0, longestText).toWellFormed()}`;
  const effects = { failed: effect, unsent: "unsent", broken: "ambiguous" } as const;
  return new BindingError(reason, text, { effect: effects[kind], systemCode: status });
}

/** The message of the answer. Throws a `BindingError` where there is none. */
export function messageOf(result: UnaryResult, what: string): Uint8Array {
  if (result.kind === "ok") return result.message;
  const failure = result.kind === "failed" ? result.failure : CallFailure.from(result);
  throw callFailure(failure, what);
}

/** A code's name as grpc-go writes it: `InvalidArgument`. */
function goName(code: number): string {
  if (code === 1) return "Canceled";
  const name = codeName(code);
  if (name.startsWith("CODE_")) return `Code(${code})`;
  return name
    .toLowerCase()
    .replaceAll(/(?:^|_)([a-z])/g, (_, first: string) => first.toUpperCase());
}
