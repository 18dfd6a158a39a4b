import { BindingError, messageOf } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";
import { ServerError } from "./packets.ts";
import { LocalFileRefused } from "./statement.ts";

/** By the server's number. */
const numbers: readonly (readonly [Reason, readonly number[]])[] = [
  ["aborted", [1020, 1205, 1213, 3572]],
  ["already_exists", [1007, 1050, 1061, 1062, 1304, 1359, 1396, 1586]],
  ["cancelled", [1317, 1969, 3024]],
  ["failed_precondition", [1290, 1364, 1644, 1792, 1836, 3819, 4025]],
  ["internal", [1105, 1815]],
  ["out_of_range", [1264, 1406, 1690]],
  ["permission_denied", [1044, 1095, 1142, 1143, 1227, 1370, 1410, 1419]],
  ["resource_exhausted", [1021, 1037, 1038, 1041, 1114, 1153, 1206, 1226]],
  ["unauthenticated", [1045, 1251, 1698, 1862]],
  ["unavailable", [1040, 1053, 1129, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1927, 3169, 4031]],
];
const byNumber = new Map(numbers.flatMap(([reason, all]) => all.map((one) => [one, reason])));

/** By SQLSTATE, or its class, where the number is none of the above. What is in neither: the request is wrong. */
const byState: Readonly<Record<string, Reason>> = {
  "08": "unavailable",
  "22003": "out_of_range",
  "23": "failed_precondition",
  "25": "failed_precondition",
  "28": "unauthenticated",
  "40": "aborted",
  "45": "failed_precondition",
  "70": "cancelled",
};

/** The server ends the session with these; whether the statement was committed before is not known. */
const endsSession: ReadonlySet<number> = new Set([
  ...[1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031],
]);

/** What a statement failed with. A refusal has undone it; whoever lost the connection knows nothing of it. */
export function statementFailure(error: unknown, what: string): BindingError {
  if (error instanceof BindingError) return error;
  if (error instanceof LocalFileRefused)
    return new BindingError("permission_denied", `${what}: ${error.message}`);
  if (!(error instanceof ServerError))
    return new BindingError("unavailable", `${what}: ${messageOf(error)}`, { effect: "ambiguous" });
  const effect: Effect = endsSession.has(error.number) ? "ambiguous" : "rejected";
  return new BindingError(reasonOf(error), `${what}: ${textOf(error)}`, {
    effect,
    systemCode: String(error.number),
  });
}

/** What failed before anything of the statement ran. */
export function unsentFailure(error: unknown, what: string): BindingError {
  if (error instanceof BindingError) return error;
  if (error instanceof ServerError && !endsSession.has(error.number))
    return statementFailure(error, what);
  const text = error instanceof ServerError ? textOf(error) : messageOf(error);
  return new BindingError("unavailable", `${what}: ${text}`, { effect: "unsent" });
}

/** What a connection could not be made for: nothing was sent. */
export function connectFailure(error: unknown, what: string): BindingError {
  if (error instanceof BindingError) return error;
  const refusal = refusalOf(error);
  if (refusal === undefined)
    return new BindingError("unavailable", `${what}: ${messageOf(error)}`, { effect: "unsent" });
  // A database that is not there may be made; too many connections go away.
  const reason = reasonOf(refusal);
  const isFinal = reason === "unauthenticated" || reason === "permission_denied";
  return new BindingError(isFinal ? reason : "unavailable", `${what}: ${textOf(refusal)}`, {
    effect: "unsent",
    systemCode: String(refusal.number),
  });
}

/** During the login it is the driver that reads what the server says. */
function refusalOf(error: unknown): ServerError | undefined {
  if (error instanceof ServerError) return error;
  if (!(error instanceof Error) || !("errno" in error) || !("sqlState" in error)) return undefined;
  const { errno, sqlState, message } = error;
  return typeof errno === "number" && errno >= 1000
    ? new ServerError(errno, typeof sqlState === "string" ? sqlState : "", message)
    : undefined;
}

function reasonOf({ number, state }: ServerError): Reason {
  return byNumber.get(number) ?? byState[state] ?? byState[state.slice(0, 2)] ?? "invalid_argument";
}

/** As Dapr's driver words it. */
function textOf({ number, state, message }: ServerError): string {
  return `Error ${number}${state === "" ? "" : ` (${state})`}: ${message}`;
}
