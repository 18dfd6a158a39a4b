import { constants, gunzip, gzip } from "node:zlib";
import { Code, GrpcFailure } from "./status.ts";

/** The bytes before each message: one of flags, four of length. */
export const framePrefixBytes = 5;

/** Puts the prefix before a message, which is copied. */
export function encodeFrame(message: Uint8Array, compressed = false): Buffer {
  const length = message.byteLength;
  const frame = Buffer.allocUnsafe(framePrefixBytes + length);
  frame[0] = compressed ? 1 : 0;
  frame.writeUInt32BE(length, 1);
  frame.set(message, framePrefixBytes);
  return frame;
}

/** Packs a message with gzip, on another thread. */
export function gzipMessage(message: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(message, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

/** Unpacks a gzip message to at most `limit` bytes. Rejects with a `GrpcFailure`. */
export function gunzipMessage(message: Uint8Array, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(
      message,
      { maxOutputLength: Math.max(limit, 1), finishFlush: constants.Z_FINISH },
      (error, result) => {
        if (error === null && result.length <= limit) resolve(result);
        else if (
          error === null ||
          (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE"
        ) {
          reject(
            new GrpcFailure(
              Code.resourceExhausted,
              `grpc: received message after decompression larger than max ${limit}`,
            ),
          );
        } else {
          reject(
            new GrpcFailure(
              Code.internal,
              `grpc: failed to decompress the received message: ${error.message}`,
            ),
          );
        }
      },
    );
  });
}
