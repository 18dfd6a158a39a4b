/** A compiled module; threads may be handed it. */
export type WasmModule = { readonly [Symbol.toStringTag]: "WebAssembly.Module" };

export type WasmMemory = { readonly buffer: ArrayBuffer };

type Engine = {
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule>;
  readonly Instance: new (
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
  readonly Memory: new (descriptor: { initial: number }) => WasmMemory;
};

/** The JavaScript engine's own, of which Node's types tell nothing. */
export const engine: Engine = (globalThis as unknown as { readonly WebAssembly: Engine })
  .WebAssembly;
