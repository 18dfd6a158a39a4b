// One replica of an app behind a relay, for bench/relay.ts. The parent tells how many there are; the first one reads the
// source. It tells the parent how many events its app has handled, and the processor time of this process.
import { setTimeout as wait } from "node:timers/promises";
import { createFunctionApp } from "../../src/app/function.ts";
import { defineBinding, type Reading } from "../../src/binding.ts";
import { Link } from "../../src/nats-client/link.ts";
import { openRelay } from "../../src/relay/relay.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import * as nats from "@nats-io/transport-node";

const [url = "", appId = "", isRelayed = "", total = "0", pause = "0"] = process.argv.slice(2);
const state = { members: 1, handled: 0, sent: 0 };
const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

const source = defineBinding({
  name: "bench",
  status: "alpha",
  summary: "So many events of 1 KiB as fast as they are taken.",
  metadata: {},
  open: () => ({ async [Symbol.asyncDispose]() {} }),
  read(_, reading: Reading<Record<never, never>>) {
    void feed(reading);
    return { stop() {}, flush() {}, close() {} };
  },
});

async function feed({ deliver }: Reading<Record<never, never>>): Promise<void> {
  const data = Buffer.alloc(1_024, "x");
  while (state.sent < Number(total)) {
    const events = Array.from({ length: 100 }, () => {
      const key = `k${state.sent++ % 1_000}`;
      return { data, key, id: `e${state.sent}`, metadata: {}, headers: [], settle() {} };
    });
    await deliver(events);
  }
}

const app = createFunctionApp({
  async onBindingEvent() {
    if (Number(pause) > 0) await wait(Number(pause));
    state.handled++;
  },
});
const settings = {
  servers: [url],
  tlsHandshakeFirst: false,
  inboxPrefix: "_INBOX",
  timeout: 10_000,
};
const relay = openRelay({
  connect: (signal, lost) =>
    Link.open(nats, {
      ...{ metadata: settings, name: "bench", signal, memory: undefined, lost, hide: undefined },
    }),
  ...{ logger: quiet, replicas: 1, members: () => state.members, unsafe: async () => undefined },
});
process.on("message", ({ members, owner }: { members?: number; owner?: boolean }) => {
  state.members = members ?? state.members;
  if (owner !== undefined) void begin(owner);
});
setInterval(() => {
  const { user, system } = process.cpuUsage();
  process.send?.({ handled: state.handled, cpu: (user + system) / 1_000 });
}, 100);

/** A replica that does not own the source delivers alone. */
async function begin(owns: boolean): Promise<void> {
  const ownership = {
    ...{ held: owns, reads: owns, reason: "another one reads", since: 0, remaining: 10_000 },
    ...{ epoch: owns ? 1 : undefined, now: () => Date.now(), onChange: () => () => {} },
    release: async () => undefined,
  };
  const runtime = createRuntime({
    ...{ appId, bindings: [source], logger: quiet, app, relay },
    http: { listen: () => Promise.reject(new Error("nothing is served")) },
    fleet: { replica: "one", singleton: true, own: () => ownership, owners: () => [] },
  });
  const values = {
    direction: "input",
    relay: isRelayed,
    singleton: isRelayed,
    maxInFlight: "16",
    relayMaxBytes: "64Mi",
  };
  await runtime.apply([
    {
      ...{ name: "source", type: "bindings.bench", version: "v1", initTimeout: 5_000 },
      ...{ origin: undefined, properties: [], resolve: async () => ({ values, secrets: [] }) },
    },
  ]);
}
