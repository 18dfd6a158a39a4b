import { BindingError } from "../../../errors.ts";

/** What the caller gave and cannot be used. */
export function invalid(why: string): BindingError {
  return new BindingError("invalid_argument", `s3 binding error: ${why}`);
}

/** A failure with the words before it that Dapr's component has; an object that is not there is said as Dapr does. */
export async function inWordsOfDapr<Result>(what: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (thrown) {
    const error = BindingError.from(thrown);
    const { reason, effect, systemCode, retryAfter } = error;
    const isMissing = systemCode === "NoSuchKey" || systemCode === "NoSuchVersion";
    const text = isMissing ? "object not found" : `s3 binding error: ${what}: ${error.message}`;
    throw new BindingError(isMissing ? "not_found" : reason, text, {
      ...{ effect, systemCode, retryAfter, cause: thrown },
    });
  }
}
