import { promisify } from "node:util";
import { brotliCompress, brotliDecompress, gunzip, gzip } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";

type Bytes = Uint8Array<ArrayBuffer>;
type Pack = (bytes: Uint8Array) => Promise<Bytes>;
type Unpack = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Bytes>;

/** What Connect calls `gzip` and `br`, by Node's zlib. Unpacking throws a `ConnectError`. */
export const gzipCompression = compression("gzip", promisify(gzip), promisify(gunzip));
export const brotliCompression = compression(
  "br",
  promisify(brotliCompress),
  promisify(brotliDecompress),
);

function compression(name: string, compress: Pack, unpack: Unpack): Compression {
  return {
    name,
    compress: (bytes) => compress(bytes),
    async decompress(bytes, limit) {
      if (bytes.length === 0) return new Uint8Array();
      try {
        return await unpack(bytes, { maxOutputLength: limit });
      } catch (error) {
        throw failure(error, limit);
      }
    },
  };
}

function failure(error: unknown, limit: number): ConnectError {
  const known = error instanceof Error && "code" in error ? String(error.code) : "";
  if (known === "ERR_BUFFER_TOO_LARGE") {
    const text = `message is larger than configured readMaxBytes ${limit} after decompression`;
    return new ConnectError(text, Code.ResourceExhausted, undefined, undefined, error);
  }
  // Of zlib's and brotli's codes those that blame the bytes.
  const isMalformed = /^(Z_DATA_ERROR$|ERR_PADDING_2$|ERR__ERROR_FORMAT_)/.test(known);
  const code = isMalformed ? Code.InvalidArgument : Code.Internal;
  return new ConnectError("decompression failed", code, undefined, undefined, error);
}
