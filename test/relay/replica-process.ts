// One replica of an app, in a process of its own that a test kills and freezes. It delivers and never reads the source.
import { setTimeout as wait } from "node:timers/promises";
import { openRelay } from "../../src/relay/relay.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { FakeApp, handled } from "../runtime/fake-app.ts";
import { component } from "../runtime/fake-binding.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { FakeFleet } from "./fake-ownership.ts";
import { connectTo } from "./relay-link.ts";
import { TestSource, times } from "./test-source.ts";

const [url = "", appId = "", pause = "0"] = process.argv.slice(2);
const state = { members: 1 };
const source = new TestSource();
const logger = keepingLogger();
const relay = openRelay({
  connect: connectTo(url),
  ...{ logger, replicas: 1, times, members: () => state.members, unsafe: async () => undefined },
});
const now = (): number => performance.timeOrigin + performance.now();
const app = new FakeApp(async ({ data }) => {
  const text = Buffer.from(data ?? []).toString();
  process.send?.({ kind: "began", text, at: now() });
  await wait(Number(pause));
  process.send?.({ kind: "ended", text, at: now() });
  return handled;
});
const runtime = createRuntime({
  ...{ appId, bindings: [source.binding()], logger, app, relay },
  http: { listen: () => Promise.reject(new Error("nothing is served")) },
  fleet: new FakeFleet().of("another"),
});
process.on("message", (message: { members?: number; end?: true }) => {
  state.members = message.members ?? state.members;
  if (message.end) void runtime.close().then(() => process.exit(0));
});
await runtime.apply([
  component("source", { relay: "true", direction: "input", singleton: "true" }),
]);
process.send?.({ kind: "ready", text: "", at: now() });
