import { streamFrame } from "../wire/bulk.ts";
import type { Invocation } from "../wire/grpc.ts";
import { InvokeStream } from "./invoke-stream.ts";

/** A part of a large payload. */
export const payloadPart = Buffer.alloc(256 * 1024, "0123456789abcdef");

/** Sends a payload of so many bytes, a multiple of a part, by `InvokeBindingStream`; resolves once it was answered. */
export async function upload(port: number, invocation: Invocation, bytes: number): Promise<void> {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  using stream = new InvokeStream(port, {
    answered: () => resolve(),
    turn() {},
    failed: reject,
  });
  for (let at = 0; at < bytes; at += payloadPart.length) {
    const place = { first: at === 0, last: at + payloadPart.length === bytes };
    const written = stream.write(streamFrame(1, invocation, { data: payloadPart, ...place }));
    await Promise.race([written, done]);
  }
  await done;
}

/** Asks for a payload of so many bytes by `InvokeBindingStream`; rejects where the answer has another number. */
export async function download(port: number, invocation: Invocation, bytes: number): Promise<void> {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  let came = 0;
  using stream = new InvokeStream(port, {
    answered: () => resolve(),
    part: (length) => (came += length),
    turn() {},
    failed: reject,
  });
  stream.send(streamFrame(1, invocation, { data: new Uint8Array(), first: true, last: true }));
  await done;
  if (came !== bytes) throw new Error(`the answer has ${came} bytes`);
}
