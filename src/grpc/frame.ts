import { constants, gunzip, gzip } from "node:zlib";
import { Code, GrpcFailure, MessageTooLarge } from "./status.ts";

/** The bytes before each message: one of flags, four of length. */
export const framePrefixBytes = 5;

/** Writes the prefix of a message of so many bytes into the buffer, at its start unless said otherwise. */
export function writeFramePrefix(buffer: Buffer, length: number, compressed = false, at = 0): void {
  buffer[at] = compressed ? 1 : 0;
  buffer.writeUInt32BE(length, at + 1);
}

/** Puts the prefix before a message, which is copied. */
export function encodeFrame(message: Uint8Array, compressed = false): Buffer {
  const length = message.byteLength;
  const frame = Buffer.allocUnsafe(framePrefixBytes + length);
  writeFramePrefix(frame, length, compressed);
  frame.set(message, framePrefixBytes);
  return frame;
}

/** Packs a message with gzip, on another thread. */
export function gzipMessage(message: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(message, (error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}

/** Go's words for zlib's. */
const gzipWords: Readonly<Record<string, string>> = {
  "incorrect header check": "gzip: invalid header",
  "incorrect data check": "gzip: invalid checksum",
  "unexpected end of file": "unexpected EOF",
};

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
            new MessageTooLarge(`received message after decompression larger than max ${limit}`),
          );
        } else {
          reject(
            new GrpcFailure(
              Code.internal,
              `grpc: failed to decompress the message: ${gzipWords[error.message] ?? error.message}`,
            ),
          );
        }
      },
    );
  });
}
