// A replica that is killed, frozen or drained: reads a hub by the metadata in its argument, and prints each event that it
// handled as a line of JSON. It ends when its input does.
import eventhubs from "../../../../src/bindings/azure/azure.eventhubs/index.ts";
import type { AnyBinding, InboundEvent } from "../../../../src/binding.ts";
import { loadDriver } from "../../../../src/drivers.ts";
import { MemoryBudget } from "../../../../src/memory/budget.ts";
import { parseFields } from "../../../../src/metadata/parse.ts";

const binding: AnyBinding = eventhubs;
const properties = JSON.parse(process.argv[2] ?? "{}") as Record<string, string>;
const { values } = parseFields(binding.metadata, properties, {
  direction: { input: true, output: false },
});
const memory = new MemoryBudget().share("test");
const component = { name: "hub", appId: "replica" };
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const { signal } = new AbortController();
const fail = (reason: unknown): void => {
  process.stderr.write(`${String(reason)}\n`);
  process.exit(1);
};
const connection: AsyncDisposable = await binding.open({
  ...{ component, metadata: values, logger, signal, memory },
  directions: { input: true, output: false },
  http: { listen: () => Promise.reject(new Error("it serves nothing")) },
  notice() {},
  driver: (name, path) => loadDriver(name, binding.drivers?.[name] ?? "", undefined, path),
  lost: fail,
});

function handle(event: InboundEvent): void {
  const line = JSON.stringify({ key: event.key, body: String(Buffer.from(event.data ?? [])) });
  process.stdout.write(`${line}\n`, () => event.settle({ outcome: "handled" }));
}

const reader = await binding.read?.(connection, {
  ...{ component, metadata: values, logger, signal, memory },
  ...{ maxInFlight: 16, attempts: 10, notice() {}, lost: fail },
  checkpoints: {} as never,
  async deliver(events) {
    for (const event of events) if (event.revoked?.aborted !== true) handle(event);
  },
});
process.stdout.write('"reading"\n');
process.stdin.resume();
process.stdin.once("end", () => {
  void (async () => {
    await reader?.stop();
    await reader?.flush();
    await reader?.close();
    await connection[Symbol.asyncDispose]();
    process.exit();
  })();
});
