// A runtime that redrives all of its dead letters and ends, which redrive-killed.test.ts has killed between two steps and
// started again. The app and the output note in files of one folder what they handled: those outlast the process.
// Arguments: the folder, and `app` or `output` for where the dead letters go.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { createFunctionApp } from "../../../src/app/function.ts";
import { defineBinding, type AnyBinding } from "../../../src/binding.ts";
import { DeadLetterManager } from "../../../src/runtime/records/dead-letters.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { createStore } from "../../../src/store/open-store.ts";
import { until } from "../../until.ts";

const [folder = "", target = "app"] = process.argv.slice(2);
const note = (data: Uint8Array | undefined): void =>
  appendFileSync(join(folder, "handled.log"), `${Buffer.from(data ?? []).toString()}\n`);

const source: AnyBinding = defineBinding({
  name: "kafka",
  status: "alpha",
  summary: "Has no events of its own.",
  metadata: {},
  open: () => ({ async [Symbol.asyncDispose]() {} }),
  operations: {
    create: {
      description: "Takes an event.",
      request: {},
      async invoke(_, { data }) {
        note(data);
      },
    },
  },
  read: () => ({ stop() {}, flush() {}, close() {} }),
});

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const store = createStore({ folder: join(folder, "state") });
const runtime = createRuntime({
  ...{ appId: "shop", bindings: [source], logger, store },
  app: createFunctionApp({ onBindingEvent: ({ data }) => note(data) }),
  http: { listen: () => Promise.reject(new Error("nothing is served")) },
});
const spec = { type: "bindings.kafka", version: "v1", initTimeout: 5000, origin: undefined };
const resolve = async () => ({ values: {}, secrets: [] });
await runtime.apply([{ ...spec, name: "orders", properties: [], resolve }]);
await until(() => runtime.components().every(({ state }) => state === "running"), {
  what: "the component to run",
});
const manager = new DeadLetterManager({
  ...{ store: store.deadLetters, logger },
  redrive: (deadLetter, signal) => runtime.redrive(deadLetter, signal),
  invoke: (invocation) => runtime.invoke(invocation),
});
const to = { component: "orders", operation: "create", metadata: {} };
const run = manager.redrive(
  { filter: {}, all: true },
  { signal: new AbortController().signal, ...(target === "output" ? { to } : {}) },
);
let refused = 0;
for await (const { totals } of run) ({ refused } = totals);
await runtime.close();
await store.close();
process.exit(refused === 0 ? 0 : 1);
