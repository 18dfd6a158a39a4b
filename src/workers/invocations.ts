import type { Answer } from "../binding.ts";
import type { Invocation } from "../runtime/outputs/invocation.ts";
import type { InvocationMessage } from "./api.ts";
import { ownBytes } from "./peer.ts";

/** A call for another thread. */
export function invocationMessage(call: Invocation): InvocationMessage {
  const { name, operation, data, encoding, metadata, deadline } = call;
  return {
    ...{ name, operation, encoding, metadata: { ...metadata } },
    data: data && ownBytes(data),
    left: deadline === undefined ? undefined : deadline - performance.now(),
  };
}

/** The same as it came. */
export function readInvocation(message: InvocationMessage, signal: AbortSignal): Invocation {
  const { left, ...call } = message;
  return {
    ...call,
    signal,
    ...(left !== undefined && { deadline: performance.now() + left }),
  };
}

/** An answer for another thread. */
export function answerMessage(answer: Answer | undefined): Answer | undefined {
  if (answer?.data === undefined) return answer;
  return { ...answer, data: ownBytes(answer.data) };
}
