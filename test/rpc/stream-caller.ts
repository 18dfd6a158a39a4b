import type { AnswerChunk } from "../../gen/cufflink/v1/bindings_pb.ts";
import { vi } from "vitest";
import { StreamCaller as Caller, type Chunk } from "../../src/rpc/stream-caller.ts";

export type { Chunk };

/** Resolves once the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { timeout: 10_000, interval: 5 });
}

/** One InvokeBindingStream, of which a test asks for the answers. */
export class StreamCaller extends Caller {
  /** The whole answer of an invocation, once it has ended. */
  async answer(invocation: number) {
    const own = (): AnswerChunk[] => this.chunks.filter((one) => one.invocation === invocation);
    await until(() => this.isEnded || own().some(({ last }) => last));
    if (!own().some(({ last }) => last))
      throw (await this.ended) ?? new Error(`the stream ended without an answer of ${invocation}`);
    const parts = own();
    const [first] = parts;
    const error = parts.at(-1)?.error;
    return {
      data: Buffer.concat(parts.map(({ data }) => data)).toString(),
      metadata: first?.metadata,
      parts: parts.length,
      ...(error && { error: { code: error.code, message: error.message } }),
      status: error,
    };
  }
}
