/**
 * A process that invokes an operation once for each key, in order, and says how each ended:
 * `idempotent-process.ts STATE-FOLDER EFFECTS-FILE CLAIM KEY...`. The operation appends its key to the file.
 */
import { appendFileSync } from "node:fs";
import { defineBinding } from "../../src/binding.ts";
import { BindingError } from "../../src/errors.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";
import { createStore } from "../../src/store/open-store.ts";

const [folder, file = "", idempotencyClaim = "5m", ...keys] = process.argv.slice(2);
const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const store = createStore({ folder });
const runtime = createRuntime({
  appId: "idempotent",
  bindings: [
    defineBinding({
      name: "file",
      status: "alpha",
      summary: "Appends to a file.",
      metadata: {},
      open: () => ({ async [Symbol.asyncDispose]() {} }),
      operations: {
        create: {
          description: "Appends.",
          request: {},
          async invoke(_, { data }) {
            appendFileSync(file, `${Buffer.from(data ?? []).toString()}\n`);
            return { data: Buffer.from("done") };
          },
        },
      },
    }),
  ],
  logger,
  http: { listen: () => Promise.reject(new Error("nothing is served")) },
  store,
});
await runtime.apply([
  {
    ...{ name: "effects", type: "bindings.file", version: "v1", initTimeout: 5000 },
    ...{ origin: undefined, properties: [] },
    resolve: async () => ({ values: { idempotencyClaim }, secrets: [] }),
  },
]);
for (const key of keys) {
  const how = await runtime
    .invoke({
      ...{ name: "effects", operation: "create", data: Buffer.from(key), encoding: "bytes" },
      metadata: { "idempotency-key": key },
      signal: new AbortController().signal,
    })
    .then(
      (answer) => (answer?.metadata?.["idempotency-replayed"] === "true" ? "replayed" : "ran"),
      (error: unknown) => BindingError.from(error).reason,
    );
  process.stdout.write(`${key} ${how}\n`);
}
await runtime.close();
await store.close();
