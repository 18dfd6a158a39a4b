import { abortFailure } from "../abortable.ts";
import type { Readable } from "node:stream";
import { BindingError } from "../errors.ts";
import { connectionText } from "./connection-text.ts";
import { describe } from "./exchange.ts";
import type { Answered, Channel, Exchange } from "./exchange.ts";

/** An answer whose body is read as it comes: what is not read waits at the server, but for some 64 KiB. */
export type Streamed = Pick<Answered, "status" | "phrase" | "headers"> & {
  /** Throws when the connection breaks, or the signal of the request is aborted. Not unpacked. */
  readonly body: AsyncIterable<Buffer>;
  /** Gives up what was not read, and the connection with it. */
  readonly discard: () => void;
};

/** Sends a request, and resolves once the head of its answer is there. Rejects as `exchange` does. */
export async function openExchange(
  { dispatcher, slots }: Pick<Channel, "dispatcher" | "slots">,
  wanted: Exchange,
  signal: AbortSignal,
): Promise<Streamed> {
  const { origin, path } = wanted.address;
  await slots.take(origin, signal).catch((reason: unknown) => {
    throw abortFailure(describe(wanted), reason, "unsent");
  });
  const release = (): void => slots.release(origin);
  try {
    const { method, headers, body } = wanted;
    const answer = await dispatcher.request({
      ...{ origin, path, method, headers, body: body ?? null, signal },
      ...{ headersTimeout: 0, bodyTimeout: 0 },
    });
    const readable: Readable = answer.body;
    readable.once("close", release);
    // Whoever reads it is told; without a reader nobody needs to be.
    readable.on("error", () => undefined);
    return {
      status: answer.statusCode,
      phrase: undefined,
      headers: answer.headers,
      body: readable,
      discard: () => void readable.destroy(),
    };
  } catch (error) {
    release();
    if (signal.aborted) throw abortFailure(describe(wanted), signal.reason, "ambiguous");
    const text = `${describe(wanted)}: ${connectionText(error as Error)}`;
    throw new BindingError("unavailable", text, { effect: "ambiguous", cause: error });
  }
}
