import { BindingError } from "../errors.ts";

/** Waits for an answer; the text of a failure gets a beginning, such as the words that Dapr's clients look for. */
export async function prefixed<Result>(prefix: string, answer: Promise<Result>): Promise<Result> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof BindingError)) throw error;
    const { reason, message, effect, systemCode, retryAfter, cause } = error;
    throw new BindingError(reason, prefix + message, { effect, systemCode, retryAfter, cause });
  }
}
