import { randomFillSync } from "node:crypto";
import type { WasmMemory } from "./engine.ts";

/** What a guest runs with. */
export type Run = {
  readonly args: readonly string[];
  readonly stdin: Uint8Array;
  readonly maxOutput: number;
  readonly isStrict: boolean;
};

/** Thrown through the guest to end it. */
class Ended extends Error {}

/** WASI's error numbers. */
const [ok, badFile, fault, invalid, notSupported, seekPipe] = [0, 8, 21, 28, 58, 70];
const [stdin, stdout, stderr] = [0, 1, 2];
const characterDevice = 2;
const millisecond = 1_000_000n;
/** The seed of strict guests' random numbers. */
const seed = 42;

/** Functions for files, folders and sockets, of which a guest has none. */
const ofFiles = [
  ...["fd_advise", "fd_allocate", "fd_datasync", "fd_fdstat_set_rights", "fd_filestat_set_size"],
  ...["fd_filestat_set_times", "fd_pread", "fd_prestat_dir_name", "fd_prestat_get", "fd_pwrite"],
  ...["fd_readdir", "fd_renumber", "fd_sync", "path_create_directory", "path_filestat_get"],
  ...["path_filestat_set_times", "path_link", "path_open", "path_readlink"],
  ...["path_remove_directory", "path_rename", "path_symlink", "path_unlink_file"],
  ...["sock_accept", "sock_recv", "sock_send", "sock_shutdown"],
];

type Functions = Readonly<Record<string, (...args: never[]) => number>>;

/** Numbers of the guest have no sign here. */
function unsigned(value: number | bigint): number | bigint {
  return typeof value === "number" ? value >>> 0 : BigInt.asUintN(64, value);
}

/**
 * WASI preview 1 for one run of a guest: arguments, standard input and output, clocks and random numbers. There are no files, no
 * environment and no network behind it, and no file descriptor of this process.
 */
export class Wasi {
  readonly #run: Run;
  readonly #args: readonly Buffer[];
  #memory: WasmMemory | undefined;
  #read = 0;
  #output: Buffer<ArrayBuffer> = Buffer.alloc(0);
  #written = 0;
  #wall = BigInt(Math.floor(Date.now() / 1000)) * 1000n * millisecond;
  #monotonic = -millisecond;
  #random = seed;
  /** What the guest has ended itself with. */
  exitCode: number | undefined;
  /** It has written more than it may. */
  hasWrittenTooMuch = false;

  constructor(run: Run) {
    this.#run = run;
    this.#args = run.args.map((text) => Buffer.from(`${text}\0`));
  }

  set memory(memory: WasmMemory | undefined) {
    this.#memory = memory;
  }

  get output(): Uint8Array<ArrayBuffer> {
    return this.#output.subarray(0, this.#written);
  }

  /** What a guest imports, by name. An address that is not in its memory is an error that it is told. */
  get functions(): Functions {
    const all: Record<string, (...args: never[]) => number> = {};
    for (const [name, call] of Object.entries(this.#functions())) {
      all[name] = (...args: (number | bigint)[]) => {
        try {
          return call(...(args.map(unsigned) as never[]));
        } catch (error) {
          if (error instanceof RangeError) return fault;
          throw error;
        }
      };
    }
    return all;
  }

  #functions(): Functions {
    return {
      ...Object.fromEntries(ofFiles.map((name) => [name, () => badFile])),
      args_get: (pointers: number, texts: number) => this.#texts(pointers, texts),
      args_sizes_get: (count: number, size: number) => {
        this.#view.setUint32(count, this.#args.length, true);
        this.#view.setUint32(size, Buffer.concat(this.#args).length, true);
        return ok;
      },
      environ_get: () => ok,
      environ_sizes_get: (count: number, size: number) => {
        this.#view.setUint32(count, 0, true);
        this.#view.setUint32(size, 0, true);
        return ok;
      },
      clock_res_get: (id: number, at: number) => {
        if (id > 1) return invalid;
        this.#view.setBigUint64(at, id === 0 ? 1000n : 1n, true);
        return ok;
      },
      clock_time_get: (id: number, _precision: bigint, at: number) => {
        if (id > 1) return invalid;
        this.#view.setBigUint64(at, this.#now(id), true);
        return ok;
      },
      fd_close: (fd: number) => (isOpen(fd) ? ok : badFile),
      fd_fdstat_get: (fd: number, at: number) => this.#status(fd, at),
      fd_fdstat_set_flags: (fd: number) => (isOpen(fd) ? ok : badFile),
      fd_filestat_get: (fd: number, at: number) => {
        if (!isOpen(fd)) return badFile;
        this.#bytes(at, 64).fill(0);
        this.#view.setUint8(at + 16, characterDevice);
        return ok;
      },
      fd_read: (fd: number, parts: number, count: number, read: number) =>
        fd === stdin ? this.#readInput(parts, count, read) : badFile,
      fd_seek: (fd: number) => (isOpen(fd) ? seekPipe : badFile),
      fd_tell: (fd: number) => (isOpen(fd) ? seekPipe : badFile),
      fd_write: (fd: number, parts: number, count: number, written: number) =>
        fd === stdout || fd === stderr ? this.#write(fd, parts, count, written) : badFile,
      poll_oneoff: (from: number, to: number, count: number, events: number) =>
        this.#poll(from, to, count, events),
      proc_exit: (code: number) => {
        this.exitCode ??= code;
        throw new Ended("exit");
      },
      proc_raise: () => notSupported,
      random_get: (at: number, length: number) => {
        const bytes = this.#bytes(at, length);
        if (this.#run.isStrict) for (const index of bytes.keys()) bytes[index] = this.#nextRandom();
        else randomFillSync(bytes);
        return ok;
      },
      sched_yield: () => ok,
    };
  }

  get #view(): DataView {
    return new DataView(this.#memory?.buffer ?? new ArrayBuffer(0));
  }

  /** A part of the guest's memory. Throws a `RangeError` where there is none. */
  #bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory?.buffer ?? new ArrayBuffer(0), at, length);
  }

  #texts(pointers: number, texts: number): number {
    let to = texts;
    for (const [index, text] of this.#args.entries()) {
      this.#view.setUint32(pointers + 4 * index, to, true);
      this.#bytes(to, text.length).set(text);
      to += text.length;
    }
    return ok;
  }

  #now(id: number): bigint {
    if (!this.#run.isStrict) {
      if (id === 1) return process.hrtime.bigint();
      return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
    }
    return id === 0 ? (this.#wall += millisecond) : (this.#monotonic += millisecond);
  }

  #nextRandom(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#random >>> 24;
  }

  #status(fd: number, at: number): number {
    if (!isOpen(fd)) return badFile;
    this.#bytes(at, 24).fill(0);
    this.#view.setUint8(at, characterDevice);
    // To read, or to write, and to wait for it.
    this.#view.setBigUint64(at + 8, (fd === stdin ? 0x02n : 0x40n) | 0x800_0000n, true);
    return ok;
  }

  #readInput(parts: number, count: number, read: number): number {
    const { stdin: input } = this.#run;
    let total = 0;
    for (let at = 0; at < count && this.#read < input.length; at++) {
      const part = this.#part(parts, at);
      const from = input.subarray(this.#read, this.#read + part.length);
      part.set(from);
      this.#read += from.length;
      total += from.length;
    }
    this.#view.setUint32(read, total, true);
    return ok;
  }

  #write(fd: number, parts: number, count: number, written: number): number {
    let total = 0;
    for (let at = 0; at < count; at++) {
      const part = this.#part(parts, at);
      if (fd === stdout) this.#append(part);
      total += part.length;
    }
    this.#view.setUint32(written, total, true);
    return ok;
  }

  #part(parts: number, at: number): Uint8Array {
    const from = parts + 8 * at;
    return this.#bytes(this.#view.getUint32(from, true), this.#view.getUint32(from + 4, true));
  }

  #append(part: Uint8Array): void {
    const { maxOutput } = this.#run;
    const size = this.#written + part.length;
    if (size > maxOutput) {
      this.hasWrittenTooMuch = true;
      throw new Ended("output");
    }
    if (size > this.#output.length) {
      const larger = Buffer.alloc(Math.min(maxOutput, Math.max(4096, 2 * size)));
      larger.set(this.output);
      this.#output = larger;
    }
    this.#output.set(part, this.#written);
    this.#written = size;
  }

  /** Input and output are always ready; else the first of the times is waited for. */
  #poll(from: number, to: number, count: number, events: number): number {
    if (count === 0) return invalid;
    const all = Array.from({ length: Math.min(count, 4096) }, (_, at) =>
      this.#subscription(from + 48 * at),
    );
    const ready = all.filter(({ wait }) => wait === undefined);
    const shortest = all.reduce(
      (least, { wait = 0n }) => (wait < least ? wait : least),
      all[0]?.wait ?? 0n,
    );
    if (ready.length === 0 && !this.#run.isStrict) sleep(shortest);
    const happened = ready.length > 0 ? ready : all.filter(({ wait = 0n }) => wait <= shortest);
    for (const [at, { data, error, type }] of happened.entries()) {
      const event = to + 32 * at;
      this.#bytes(event, 32).fill(0);
      this.#view.setBigUint64(event, data, true);
      this.#view.setUint16(event + 8, error, true);
      this.#view.setUint8(event + 10, type);
      const left = BigInt(type === 1 ? this.#run.stdin.length - this.#read : 0);
      this.#view.setBigUint64(event + 16, left, true);
    }
    this.#view.setUint32(events, happened.length, true);
    return ok;
  }

  /** `wait`: nanoseconds until its time; absent: it is about input or output. */
  #subscription(at: number): { data: bigint; error: number; type: number; wait?: bigint } {
    const view = this.#view;
    const data = view.getBigUint64(at, true);
    const type = view.getUint8(at + 8);
    if (type !== 0) {
      const fd = view.getUint32(at + 16, true);
      return { data, type, error: isOpen(fd) ? ok : badFile };
    }
    const time = view.getBigUint64(at + 24, true);
    const isAbsolute = (view.getUint16(at + 40, true) & 1) === 1;
    const wait = isAbsolute ? time - this.#now(view.getUint32(at + 16, true)) : time;
    return { data, type, error: ok, wait: wait < 0n ? 0n : wait };
  }
}

function isOpen(fd: number): boolean {
  return fd === stdin || fd === stdout || fd === stderr;
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Stops this thread alone. It can be ended meanwhile. */
function sleep(nanoseconds: bigint): void {
  Atomics.wait(nobody, 0, 0, Number(nanoseconds) / 1e6);
}

/** The functions of WASI preview 1. */
export const wasiFunctions: ReadonlySet<string> = new Set(
  Object.keys(
    new Wasi({ args: [], stdin: new Uint8Array(), maxOutput: 0, isStrict: true }).functions,
  ),
);
