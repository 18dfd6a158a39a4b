import { bytesPassed } from "./garbage-collection.ts";

/** Up to so many bytes are one buffer of their own. */
const smallBytes = 4 * 1024;

/**
 * Bytes that come in parts. What it takes up is what came, however small the parts are: a part of one byte costs
 * some hundred as an object of its own. What is neither taken nor cleared is free when
 * nobody refers to it any more.
 */
export class ByteParts {
  /** All of it, while it is one part or small. */
  #first: Buffer = noBytes;
  readonly #blocks: Buffer[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Bytes that are taken up. */
  get room(): number {
    return this.#first.length + this.#blocks.length * blockBytes;
  }

  add(part: Buffer): void {
    const size = this.#size + part.length;
    if (this.#size === 0) {
      // Most bodies are one part.
      this.#first = withoutRest(part);
    } else if (size <= smallBytes) {
      this.#first = Buffer.concat([this.#first, part]);
    } else {
      if (this.#blocks.length === 0) {
        this.#copy(this.#first, 0);
        this.#first = noBytes;
        forgotten.register(this, this.#blocks);
      }
      this.#copy(part, this.#size);
    }
    this.#size = size;
  }

  /** Takes all of it out: what came as one part as it is, else a copy. */
  whole(): Buffer {
    const whole = this.#blocks.length === 0 ? this.#first : Buffer.concat(this.#blocks, this.#size);
    this.clear();
    return whole;
  }

  /** Forgets all of it. */
  clear(): void {
    this.#first = noBytes;
    this.#size = 0;
    giveBlocks(this.#blocks);
  }

  #copy(part: Buffer, to: number): void {
    for (let at = 0; at < part.length;) {
      const inBlock = (to + at) % blockBytes;
      if (inBlock === 0) this.#blocks.push(takeBlock());
      const block = this.#blocks.at(-1) ?? noBytes;
      at += part.copy(block, inBlock, at);
    }
    bytesPassed(part.length);
  }
}

const noBytes = Buffer.alloc(0);

const blockBytes = 16 * 1024;
/**
 * Blocks are cut from pieces so large that the C library asks the system for each, and gives it back when it is free.
 * What is smaller comes from a heap that stays as large as it ever was, as there is always something at its end.
 */
const slabBytes = 33 * 1024 * 1024;

type Slab = { readonly free: Buffer[]; readonly blocks: number };

const slabs = new Map<ArrayBufferLike, Slab>();
/** Those of `slabs` that have a free block. */
const withRoom = new Set<Slab>();

function takeBlock(): Buffer {
  let [slab] = withRoom;
  if (slab === undefined) {
    const bytes = new ArrayBuffer(slabBytes);
    const free: Buffer[] = [];
    for (let at = slabBytes - blockBytes; at >= 0; at -= blockBytes)
      free.push(Buffer.from(bytes, at, blockBytes));
    slab = { free, blocks: free.length };
    slabs.set(bytes, slab);
    withRoom.add(slab);
  }
  const block = slab.free.pop() ?? noBytes;
  if (slab.free.length === 0) withRoom.delete(slab);
  return block;
}

const forgotten = new FinalizationRegistry<Buffer[]>(giveBlocks);

function giveBlocks(blocks: Buffer[]): void {
  for (const block of blocks.splice(0)) giveBlock(block);
}

function giveBlock(block: Buffer): void {
  const slab = slabs.get(block.buffer);
  if (slab === undefined) return;
  slab.free.push(block);
  withRoom.add(slab);
  if (slab.free.length < slab.blocks || withRoom.size < 2) return;
  // One that is free is enough to go on with.
  slabs.delete(block.buffer);
  withRoom.delete(slab);
}

/** Gives back the piece that is kept for what comes next, unless it is in use. */
export function releaseBlocks(): void {
  for (const [bytes, slab] of slabs) {
    if (slab.free.length < slab.blocks) continue;
    slabs.delete(bytes);
    withRoom.delete(slab);
  }
}

/** A view of so much more than itself is copied before it is kept. */
const mostBeside = 8 * 1024;

/** Copies of less are cut from a piece of so many bytes that many share, as each buffer of its own costs a microsecond. */
const smallCopy = 2 * 1024;
let shared = Buffer.alloc(0);
let sharedUsed = 0;

/** The bytes, without what they are a corner of: what HTTP/2 reads at one time is one buffer of up to 64 KiB. */
export function withoutRest<Bytes extends Uint8Array>(bytes: Bytes): Bytes | Buffer {
  const { length } = bytes;
  if (bytes.buffer.byteLength <= 2 * length + mostBeside) return bytes;
  if (length > smallCopy) {
    const own = Buffer.allocUnsafeSlow(length);
    own.set(bytes);
    return own;
  }
  if (sharedUsed + length > shared.length) {
    shared = Buffer.allocUnsafeSlow(mostBeside);
    sharedUsed = 0;
  }
  const own = shared.subarray(sharedUsed, sharedUsed + length);
  sharedUsed += length;
  own.set(bytes);
  return own;
}
