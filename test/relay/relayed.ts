import { openRelay } from "../../src/relay/relay.ts";
import type { RelayTimes } from "../../src/relay/stream.ts";
import type { Delivery, Outcome } from "../../src/runtime/app.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import type { Store } from "../../src/store/store.ts";
import { endAfterTest } from "../bindings/contract.ts";
import { FakeApp, handled } from "../runtime/fake-app.ts";
import { component } from "../runtime/fake-binding.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { uniqueName } from "../servers/unique-name.ts";
import { FakeFleet } from "./fake-ownership.ts";
import { connectTo } from "./relay-link.ts";
import { TestSource, times } from "./test-source.ts";

export type ReplicaOptions = {
  readonly handle?: (text: string, delivery: Delivery) => Outcome | Promise<Outcome>;
  readonly values?: Record<string, string>;
  readonly store?: Store;
  readonly times?: Partial<RelayTimes>;
  readonly unsafe?: () => string | undefined;
};

/** Replicas of one app id that share a relay. */
export function relayedApp(
  url: string,
  {
    appId = uniqueName("shop"),
    login = {},
  }: { appId?: string; login?: Record<string, string> } = {},
) {
  const source = new TestSource();
  const fleet = new FakeFleet();
  const running = new Set<string>();
  function start(name: string, options: ReplicaOptions = {}) {
    const { handle = () => handled, values = {}, store } = options;
    const app = new FakeApp((delivery) =>
      handle(Buffer.from(delivery.data ?? "null").toString(), delivery),
    );
    const logger = keepingLogger();
    const relay = openRelay({
      connect: connectTo(url, login),
      ...{ logger, replicas: 1, times: { ...times, ...options.times } },
      members: () => running.size,
      unsafe: async () => options.unsafe?.(),
    });
    const runtime = createRuntime({
      ...{ appId, bindings: [source.binding()], logger, app, relay, store },
      http: { listen: () => Promise.reject(new Error("nothing is served")) },
      fleet: fleet.of(name),
    });
    running.add(name);
    void runtime.apply([
      component("source", { relay: "true", direction: "input", singleton: "true", ...values }),
    ]);
    const close = async (): Promise<void> => {
      running.delete(name);
      await runtime.close();
      await relay[Symbol.asyncDispose]();
    };
    endAfterTest(close);
    const status = () => {
      const [one] = runtime.components();
      if (one === undefined) throw new Error("there is no component");
      return one;
    };
    return { app, runtime, logger, status, close };
  }
  return { appId, source, fleet, running, start };
}
