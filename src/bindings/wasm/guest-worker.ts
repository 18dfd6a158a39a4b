// A thread in which guests run, one after another, each in an instance of its own.
import { parentPort } from "node:worker_threads";
import { engine, type WasmMemory, type WasmModule } from "./engine.ts";
import { Wasi, type Run } from "./wasi.ts";

export type Order = Run & { readonly module: WasmModule };

/** What became of a run. `memory`: the bytes that the guest had in the end. */
export type Report = { readonly memory: number } & (
  | { readonly kind: "done"; readonly output: Uint8Array<ArrayBuffer> }
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "trap"; readonly message: string }
  | { readonly kind: "too much" }
);

parentPort?.on("message", (order: Order) => {
  const report = run(order);
  parentPort?.postMessage(report, report.kind === "done" ? [report.output.buffer] : []);
});

function run({ module, ...how }: Order): Report {
  const wasi = new Wasi(how);
  let memory: WasmMemory | undefined;
  let failure: unknown;
  try {
    const instance = new engine.Instance(module, { wasi_snapshot_preview1: wasi.functions });
    const { memory: exported, _start: start } = instance.exports;
    if (exported instanceof engine.Memory) wasi.memory = memory = exported;
    if (typeof start === "function") start();
  } catch (error) {
    failure = error;
  }
  const bytes = memory?.buffer.byteLength ?? 0;
  if (wasi.hasWrittenTooMuch) return { kind: "too much", memory: bytes };
  if (wasi.exitCode !== undefined && wasi.exitCode !== 0)
    return { kind: "exit", code: wasi.exitCode, memory: bytes };
  if (failure !== undefined && wasi.exitCode === undefined)
    return { kind: "trap", message: textOf(failure), memory: bytes };
  // A copy, whose buffer is its own to be given away.
  return { kind: "done", output: new Uint8Array(wasi.output), memory: bytes };
}

function textOf(failure: unknown): string {
  if (failure instanceof Error) return failure.message.slice(0, 500);
  return "the guest threw what is no error";
}
