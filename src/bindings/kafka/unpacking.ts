import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Driver } from "./client.ts";

type Algorithms = Driver["compressionsAlgorithms"];
type Packed = Parameters<Algorithms["gzip"]["decompressSync"]>[0];
type Unpack = (data: Packed) => Buffer;

/** The most that one batch of records is unpacked to, in bytes. Brokers bound only what it is packed. */
export const largestBatch = 128 * 1024 * 1024;

const bounded = new WeakSet<Algorithms>();

/** Makes the driver refuse a batch that unpacks to more: a few kibibytes can be a gibibyte of the same byte. */
export function boundUnpacking({ compressionsAlgorithms: algorithms }: Driver): void {
  if (bounded.has(algorithms)) return;
  bounded.add(algorithms);
  replace(algorithms.gzip, () => (data) => whole(() => gunzipSync(bytesOf(data), zlibOptions)));
  replace(
    algorithms.zstd,
    () => (data) => whole(() => zstdDecompressSync(bytesOf(data), zlibOptions)),
  );
  replace(algorithms.snappy, (unpack) => (data) => {
    if (unpackedSnappy(bytesOf(data)) > largestBatch) throw tooLarge();
    return unpack(data);
  });
  replace(algorithms.lz4, (unpack) => (data) => {
    if (unpackedLz4(bytesOf(data)) > largestBatch) throw tooLarge();
    return unpack(data);
  });
}

const zlibOptions = { maxOutputLength: largestBatch };

function replace(
  algorithm: { readonly decompressSync: Unpack },
  make: (unpack: Unpack) => Unpack,
): void {
  const mutable: { decompressSync: Unpack } = algorithm;
  mutable.decompressSync = make(mutable.decompressSync.bind(algorithm));
}

function whole(unpack: () => Buffer): Buffer {
  try {
    return unpack();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      throw tooLarge();
    throw error;
  }
}

function tooLarge(): Error {
  return new Error(`a batch of records unpacks to more than ${largestBatch} bytes`);
}

function bytesOf(data: Packed): Buffer {
  return Buffer.isBuffer(data) ? data : data.buffer;
}

const xerialMark = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);

/** What a block says at its beginning; of Java's clients, the sum over the blocks. What is broken is for the driver. */
function unpackedSnappy(data: Buffer): number {
  if (!data.subarray(0, xerialMark.length).equals(xerialMark)) return variableLength(data, 0);
  let sum = 0;
  for (let at = 16; at + 4 <= data.length;) {
    const length = data.readUInt32BE(at);
    sum += variableLength(data, at + 4);
    at += 4 + length;
  }
  return sum;
}

function variableLength(data: Buffer, from: number): number {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = data[from + index] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) break;
  }
  return value;
}

const lz4Head = 7;

/** The most that the blocks of a frame can be, or what its head says of them. */
function unpackedLz4(data: Buffer): number {
  if (data.length < lz4Head) return 0;
  const flags = data.readUInt8(4);
  const largest = 2 ** (8 + 2 * ((data.readUInt8(5) >> 4) & 7));
  const hasSize = (flags & 0x08) !== 0;
  const checksum = (flags & 0x10) !== 0 ? 4 : 0;
  let at = lz4Head + (hasSize ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0);
  let most = 0;
  while (at + 4 <= data.length) {
    const length = data.readUInt32LE(at) & 0x7fff_ffff;
    if (length === 0) break;
    // A byte of a block stands for 255 at the most.
    most += Math.min(largest, length * 255);
    at += 4 + length + checksum;
  }
  return most;
}
