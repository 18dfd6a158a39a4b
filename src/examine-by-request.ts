import { BindingError } from "./errors.ts";
import { isAway, type CheckKind, type Questions } from "./examination.ts";

/** A question that the answer to a request answers: its kind, and what it is asked of. */
export type Told = readonly [kind: Exclude<CheckKind, "definition" | "reachable">, subject: string];

/** Whoever is refused something, or asks for what is not there, is known. */
const isKnown: ReadonlySet<BindingError["reason"]> = new Set(["permission_denied", "not_found"]);

/**
 * Makes one request, which must change nothing, and reports what its answer tells: that the system is reachable, and
 * each of `told`, in that order. An error answers what it says, and leaves the rest open. `strangers`: the system's codes
 * that mean credentials it does not know, where the error's reason does not say so. Resolves to why the request failed;
 * `undefined`: it went well.
 */
export async function examineByRequest(
  { ask, unknown }: Pick<Questions, "ask" | "unknown">,
  request: () => Promise<void>,
  told: readonly Told[],
  strangers: readonly string[] = [],
): Promise<BindingError["reason"] | undefined> {
  const failure = await failureOf(request, strangers);
  const answers = await ask("reachable", "", () => {
    if (failure !== undefined && isAway(failure)) throw failure;
  });
  if (!answers) return failure?.reason;
  for (const [kind, subject] of told) {
    if (kind !== "authenticated") {
      await ask(kind, subject, () => {
        if (failure !== undefined) throw failure;
      });
      continue;
    }
    if (failure === undefined || isKnown.has(failure.reason)) await ask(kind, subject, () => {});
    else if (failure.reason === "unauthenticated") {
      await ask(kind, subject, () => {
        throw failure;
      });
      return failure.reason;
    } else unknown(kind, subject, failure.message);
  }
  return failure?.reason;
}

async function failureOf(
  request: () => Promise<void>,
  strangers: readonly string[],
): Promise<BindingError | undefined> {
  try {
    await request();
    return undefined;
  } catch (thrown) {
    const error = BindingError.from(thrown, "unavailable", "unsent");
    if (error.systemCode === undefined || !strangers.includes(error.systemCode)) return error;
    const { message, effect, systemCode } = error;
    return new BindingError("unauthenticated", message, { effect, systemCode, cause: error });
  }
}
