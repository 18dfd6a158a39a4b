import { delay } from "../../../delay.ts";
import { BindingError } from "../../../errors.ts";
import type { Stream } from "./stream.ts";

/** Milliseconds: as long as Dapr waits for a consumer to become active. */
const patience = 180_000;
const betweenLooks = 1_000;

/**
 * The ARN of the consumer of enhanced fan-out, once it is active; it is registered where it is not. Rejects with a
 * `BindingError` if that is not allowed, or takes longer than three minutes.
 */
export async function registerConsumer(
  stream: Stream,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const arn = await stream.arn(signal);
  const late = performance.now() + patience;
  while (!signal.aborted && performance.now() < late) {
    const { ConsumerARN = "", ConsumerStatus } = await lookUp(stream, arn, name, signal);
    if (ConsumerStatus === "ACTIVE") return ConsumerARN;
    await delay(betweenLooks, signal);
  }
  signal.throwIfAborted();
  const text = `the consumer ${name} of stream ${stream.name} has not become active in 3 minutes`;
  throw new BindingError("unavailable", text, { effect: "unsent" });
}

async function lookUp(stream: Stream, arn: string, name: string, signal: AbortSignal) {
  try {
    return await stream.consumer(arn, name, signal);
  } catch (error) {
    if (BindingError.from(error).reason !== "not_found") throw error;
  }
  try {
    await stream.register(arn, name, signal);
  } catch (error) {
    // Another replica has registered it meanwhile.
    if (BindingError.from(error).systemCode !== "ResourceInUseException") throw error;
  }
  return stream.consumer(arn, name, signal);
}
