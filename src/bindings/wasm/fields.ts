import { bool, byteSize, duration, integer, string } from "../../metadata/fields.ts";

export const wasmFields = {
  url: string({
    description:
      "The guest: a WebAssembly module for WASI preview 1, in a file (`file://PATH`) or at a server (`http://`, `https://`).",
    required: true,
    example: "file:///app/guests/resize.wasm",
  }),
  strictSandbox: bool({
    description:
      "The guest gets no real time and no real random numbers, and does not sleep: each call runs as the one before.",
    default: "false",
  }),
  maxMemory: byteSize({
    description:
      "The most memory that a guest has. One that asks for more at its start is refused, and later gets none. Dapr has no such field.",
    default: "128Mi",
  }),
  maxOutput: byteSize({
    description: "The most that a guest may write as its answer. Dapr has no such field.",
    default: "4Mi",
  }),
  maxConcurrency: integer({
    description:
      "The most calls that run at one time, each in a thread of its own; more wait. 0: the number of processors. Dapr has no such field.",
    default: "0",
    min: 0,
    max: 256,
  }),
  timeout: duration({
    description:
      "How long a call may run before the guest is ended; so does the caller's own deadline. Dapr has no such field.",
    default: "30s",
    positive: true,
  }),
} as const;

/** What `execute` reads of a request's metadata. */
export const executeFields = {
  args: string({
    description: "The guest's arguments, parted by commas. Before them comes its name.",
    example: "resize,100",
  }),
} as const;
