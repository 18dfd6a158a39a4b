import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import openWabt from "wabt";
import { endAfterTest } from "../contract.ts";

const run = promisify(execFile);

let opened: ReturnType<typeof openWabt> | undefined;

/** The bytes of a module in WebAssembly's text. */
export async function assembled(text: string): Promise<Uint8Array> {
  const wabt = await (opened ??= openWabt());
  const features = { exceptions: true, threads: true, multi_value: true, memory64: true };
  const module = wabt.parseWat("guest.wat", text, features);
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

/** The URL of a file with the module, which is removed after the test. */
export async function guestUrl(module: string | Uint8Array, name = "guest.wasm"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-guest-"));
  endAfterTest(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, name);
  await writeFile(file, typeof module === "string" ? await assembled(module) : module);
  return `file://${file}`;
}

const imports = `
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`;

/** A guest whose `_start` is these instructions. It has one page of memory, and "hello" at 16. */
export function guest(start: string, memory = `(memory (export "memory") 1)`, more = ""): string {
  return `(module ${imports} ${memory} (data (i32.const 16) "hello") ${more}
    (func (export "_start") (local $n i32) ${start}))`;
}

/** Writes so many bytes from there to standard output. */
export function writes(from: number | string, length: number | string, fd = 1): string {
  const value = (of: number | string): string =>
    typeof of === "number" ? `(i32.const ${of})` : of;
  return `(i32.store (i32.const 0) ${value(from)}) (i32.store (i32.const 4) ${value(length)})
    (drop (call $write (i32.const ${fd}) (i32.const 0) (i32.const 1) (i32.const 8)))`;
}

/** Writes its arguments, each with the NUL at its end. */
export const tellingArguments = `
  (drop (call $sizes (i32.const 8) (i32.const 12)))
  (drop (call $args (i32.const 1024) (i32.const 8192)))
  ${writes(8192, "(i32.load (i32.const 12))")}`;

export const argumentsGuest = guest(tellingArguments, `(memory (export "memory") 8)`);

/** Writes its standard input, as it comes. */
export const echoing = `
  (loop $more
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 12)))
    (if (i32.load (i32.const 12)) (then
      ${writes(1024, "(i32.load (i32.const 12))")} (br $more))))`;

export const echoGuest = guest(echoing);

/** Whether Go is there, of a version that knows WASI. */
export const hasGo = await run("go", ["version"]).then(
  ({ stdout }) => /go1\.(2[1-9]|[3-9]\d)/.test(stdout),
  () => false,
);
if (!hasGo && process.env["CI"] !== undefined && process.env["CI"] !== "")
  throw new Error("Go 1.21 or later is not installed, which builds a guest for the tests");
if (!hasGo) process.stderr.write("NOT RUN: the guest in Go: Go 1.21 or later is not installed\n");

/** The guest in Go, built once. */
export async function goGuest(): Promise<string> {
  const sources = join(import.meta.dirname, "go-guest");
  const texts = await Promise.all(
    ["go.mod", "main.go"].map((name) => readFile(join(sources, name))),
  );
  const digest = createHash("sha256").update(Buffer.concat(texts)).digest("hex").slice(0, 12);
  const folder = join(homedir(), ".cache", "cufflink");
  const file = join(folder, `go-guest-${digest}.wasm`);
  if (!existsSync(file)) {
    await mkdir(folder, { recursive: true });
    const fresh = `${file}.${process.pid}`;
    await run("go", ["build", "-o", fresh, "."], {
      cwd: sources,
      env: { ...process.env, GOOS: "wasip1", GOARCH: "wasm", GOFLAGS: "-mod=mod" },
    });
    await rename(fresh, file);
  }
  return file;
}
