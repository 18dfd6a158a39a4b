import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { assuredBytes, noRoom, type MemoryShare } from "../../memory/budget.ts";
import { engine, type WasmModule } from "./engine.ts";
import { executeFields, wasmFields } from "./fields.ts";
import { GuestRefused, readGuest, refuseUnknownImports } from "./module.ts";
import { GuestRunner } from "./runner.ts";
import { checkUrl, isFile, readFile, readSource, type Source } from "./source.ts";
import { wasiFunctions } from "./wasi.ts";

type Opened = AsyncDisposable & {
  readonly runner: GuestRunner;
  readonly name: string;
  readonly memory: MemoryShare;
};

/** Runs a WebAssembly module. */
export default defineBinding({
  name: "wasm",
  status: "beta",
  summary: "Runs a WebAssembly module (WASI preview 1) with the payload as its input.",
  provedBy: [{ system: "Go", kind: "real" }],
  metadata: wasmFields,

  async check({ url, maxMemory }) {
    // The file may be elsewhere than where this is checked.
    const problems = await problemsOf([() => checkUrl(url)]);
    if (problems.length > 0) return problems;
    const source = isFile(url) ? await readFile(url).catch(() => undefined) : undefined;
    if (source === undefined) return [];
    try {
      checked(source, maxMemory);
      return [];
    } catch (error) {
      return [messageOf(error)];
    }
  },

  async open({ metadata, memory, signal }): Promise<Opened> {
    const { url, maxMemory, strictSandbox, maxOutput, maxConcurrency, timeout } = metadata;
    const source = await readSource(url, memory, signal);
    const module = await compiled(checked(source, maxMemory));
    const runner = new GuestRunner({
      ...{ module, isStrict: strictSandbox, maxOutput, maxConcurrency, timeout },
    });
    return {
      ...{ runner, name: source.name, memory },
      [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose](),
    };
  },

  async examine({ name }, { ask, omit }) {
    omit("reachable", "authenticated", "may write");
    await ask("exists", `module ${name}`, () => "it can be compiled");
  },

  operations: {
    execute: {
      description:
        "Runs the guest: the payload is its standard input, the answer what it wrote to its standard output.",
      request: executeFields,
      // It changes nothing outside of itself.
      idempotent: true,
      async invoke({ runner, name, memory }, { data = new Uint8Array(), request, signal }) {
        if (request.args?.includes("\0"))
          throw new BindingError("invalid_argument", "args has a NUL character in it");
        const args = [name, ...(request.args ? request.args.split(",") : [])];
        const output = await runner.run({ args, stdin: data }, signal);
        const held = memory.open(assuredBytes);
        try {
          if (held.reserve(output.length)) return { data: output };
          throw new BindingError("resource_exhausted", noRoom);
        } finally {
          held.release();
        }
      },
    },
  },
});

/** The module, bounded. Throws a `BindingError` for one that cannot run here. */
function checked({ bytes }: Source, maxMemory: number): Uint8Array {
  try {
    const guest = readGuest(bytes, maxMemory);
    refuseUnknownImports(guest, wasiFunctions);
    return guest.bytes;
  } catch (error) {
    if (!(error instanceof GuestRefused)) throw error;
    throw new BindingError("invalid_argument", `wasm: error compiling binary: ${error.message}`);
  }
}

async function compiled(bytes: Uint8Array): Promise<WasmModule> {
  try {
    return await engine.compile(new Uint8Array(bytes));
  } catch (error) {
    throw new BindingError("invalid_argument", `wasm: error compiling binary: ${messageOf(error)}`);
  }
}
