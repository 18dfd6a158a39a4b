// A runtime with a source, an app and an output in files of one folder, which fault-points.test.ts has killed between two
// steps and started again. What a file has is what somebody else knows: it outlasts the process.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createFunctionApp } from "../../src/app/function.ts";
import { defineBinding, type AnyBinding, type InboundEvent } from "../../src/binding.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { createStore } from "../../src/store/open-store.ts";

const [folder = "", metadata = "{}"] = process.argv.slice(2);
const events = ["a1", "a2", "poison", "a4", "b1", "b2"];

const pathOf = (file: string): string => join(folder, file);
const lines = (file: string): string[] =>
  existsSync(pathOf(file)) ? readFileSync(pathOf(file), "utf8").trim().split("\n") : [];
const append = (file: string, line: string): void => appendFileSync(pathOf(file), `${line}\n`);

const source: AnyBinding = defineBinding({
  name: "source",
  status: "alpha",
  summary: "Events in the order of a list; those in acknowledged.log are gone.",
  metadata: {},
  open: () => ({ async [Symbol.asyncDispose]() {} }),
  operations: {
    create: {
      description: "Takes an event.",
      request: {},
      async invoke(_, { data }) {
        append("output.log", String(data));
      },
    },
  },
  read(_, { deliver }) {
    const acknowledged = new Set(lines("acknowledged.log"));
    const left = events.filter((id) => !acknowledged.has(id));
    void deliver(left.map(eventOf));
    return { stop() {}, flush() {}, close() {} };
  },
});

function eventOf(id: string): InboundEvent {
  return {
    ...{ id, data: Buffer.from(id), metadata: {}, headers: [] },
    key: id === "poison" ? "a" : id[0],
    settle({ outcome }) {
      if (outcome === "handled") append("acknowledged.log", id);
      if (new Set(lines("acknowledged.log")).size === events.length) setImmediate(() => void end());
    },
  };
}

const app = createFunctionApp({
  onBindingEvent({ data, attempt }) {
    const id = String(data);
    append("app.log", `${id} ${attempt}`);
    if (id === "poison") throw new Error("cannot be read");
    return id === "b1" ? { data: Buffer.from("reply"), to: ["sink"] } : undefined;
  },
});

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const store = createStore({ folder: pathOf("state") });
const runtime = createRuntime({
  ...{ appId: "shop", bindings: [source], app, logger, store },
  http: { listen: () => Promise.reject(new Error("nothing is served")) },
});
const spec = { type: "bindings.source", version: "v1", initTimeout: 5000, origin: undefined };
const values: Record<string, string> = {
  ...{
    direction: "input",
    backOffPolicy: "constant",
    backOffDuration: "1ms",
    backOffMaxRetries: "2",
  },
  ...(JSON.parse(metadata) as Record<string, string>),
};
await runtime.apply([
  {
    ...spec,
    name: "sink",
    properties: [],
    resolve: async () => ({ values: { direction: "output" }, secrets: [] }),
  },
  { ...spec, name: "orders", properties: [], resolve: async () => ({ values, secrets: [] }) },
]);

async function end(): Promise<void> {
  await runtime.close();
  await store.close();
  process.exit(0);
}
