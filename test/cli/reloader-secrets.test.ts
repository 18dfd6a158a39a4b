import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Reloader } from "../../src/cli/reloader.ts";
import { FarStore } from "../resources/fake-store.ts";
import { component, folder } from "../resources/folder.ts";
import { FakeSystem, startRuntime } from "../runtime/fake-binding.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { until } from "../until.ts";

/** A runtime that runs what is in a folder: one component of the store, and one of its own. */
async function running(far: FarStore, metadata = "", trouble?: FarStore["trouble"]) {
  far.trouble = trouble;
  far.secrets.set("db", { host: "secret-canary-one" });
  const system = new FakeSystem();
  const bindings = [system.binding("fake", "output")];
  const logger = keepingLogger();
  const { runtime, status } = startRuntime({ bindings, logger });
  const store = component("far", "secretstores.far", metadata);
  const uses = component(
    ...([
      "far-one",
      "bindings.fake",
      "- {name: host, secretKeyRef: {name: db, key: host}}",
    ] as const),
    "auth: {secretStore: far}",
  );
  const path = folder({
    "a.yaml": [store, uses, component("near", "bindings.fake", "- {name: host, value: here}")].join(
      "---\n",
    ),
  });
  const reloader = await Reloader.create({
    ...{ appId: "shop", resourcesPaths: [path], configPaths: [], maxBodySize: 4 << 20, bindings },
    ...{ needBindings: async () => undefined, onLoaded: () => undefined, logger },
    ...{ secretStores: far.modules, apply: (...all) => runtime.apply(...all) },
  });
  onTestFinished(() => reloader.close());
  const state = (name: string): string | undefined =>
    runtime.components().find((one) => one.name === name)?.state;
  return { reloader, runtime, system, status, state, logger, path };
}

test("a store that does not answer: its component waits visibly, the other runs, and it starts once the store is back", async () => {
  const far = new FarStore();
  const held = Promise.withResolvers<void>();
  const { reloader, status, state, system } = await running(far, "", held.promise);
  const started = reloader.start();
  await until(() => state("near") === "running", { what: "the component without secrets to run" });
  expect(status("far-one")).toMatchObject({
    state: "starting",
    reason: "waiting for secrets of far",
  });
  held.resolve();
  await started;
  await until(() => state("far-one") === "running", { what: "the component to run" });
  expect(status("far-one").reason).toBe("");
  expect(system.openings.map(({ metadata }) => metadata.host).toSorted()).toEqual([
    "here",
    "secret-canary-one",
  ]);
  expect(far.asked).toEqual(["db"]);
});

test("a store that is away: the state has the reason, attempts are few, and nothing secret is told", async () => {
  const far = new FarStore();
  const { reloader, status, state, logger } = await running(
    far,
    "- {name: token, value: token-canary}",
    "away",
  );
  await reloader.start();
  await until(() => state("far-one") === "reconnecting", { what: "the component to wait" });
  expect(status("far-one").reason).toMatch(
    /a\.yaml:.* the secret store "far" cannot be read: refused \(token \*\*\*\)/,
  );
  expect(state("near")).toBe("running");
  const before = far.asked.length;
  far.trouble = undefined;
  await until(() => state("far-one") === "running", { what: "the component to run" });
  expect(far.asked.length).toBeLessThan(before + 5);
  expect(JSON.stringify(logger.lines)).not.toContain("canary");
});

test("refreshInterval: a changed secret is taken over as a transaction, and an unchanged one touches nothing", async () => {
  const far = new FarStore();
  const { reloader, runtime, system, state } = await running(
    far,
    "- {name: refreshInterval, value: 1s}",
  );
  await reloader.start();
  await until(() => state("far-one") === "running", { what: "the component to run" });
  const openings = system.openings.length;
  const asked = far.asked.length;
  await until(() => far.asked.length > asked, { what: "the secret to be read again" });
  expect([runtime.reloads.length, system.openings.length]).toEqual([1, openings]);

  // What cannot be opened with the new one goes on with the old one.
  system.open = ({ metadata }) => {
    if (metadata.host === "secret-canary-two") throw new Error("this one is refused");
  };
  far.secrets.set("db", { host: "secret-canary-two" });
  await until(() => runtime.reloads.length > 1, { what: "the changed secret to be taken up" });
  const change = runtime.reloads.at(-1)?.components.find(({ name }) => name === "far-one");
  expect(change).toMatchObject({ change: "updated", outcome: "failed" });
  expect(state("far-one")).toBe("running");

  far.secrets.set("db", { host: "secret-canary-three" });
  await until(() => system.opening.metadata.host === "secret-canary-three", {
    what: "the newest to be opened",
  });
  await until(() => runtime.reloads.length > 2, { what: "the reload to be over" });
  const [near, changed] = ["near", "far-one"].map((name) =>
    runtime.reloads.at(-1)?.components.find((one) => one.name === name),
  );
  expect(near).toMatchObject({ change: "kept" });
  expect(changed).toMatchObject({ change: "updated", outcome: "applied" });
});

test("a reload while the store is away keeps what runs, and changes what needs no secret of it", async () => {
  const far = new FarStore();
  const { reloader, system, state, path, runtime } = await running(far);
  await reloader.start();
  await until(() => state("far-one") === "running", { what: "the component to run" });
  far.trouble = "away";
  const opened = system.openings.length;
  writeFileSync(
    join(path, "b.yaml"),
    component("new", "bindings.fake", "- {name: host, value: there}"),
  );
  await until(() => runtime.components().some(({ name }) => name === "new"), {
    what: "the new component",
  });
  const { components } = await reloader.reload();
  expect(components.find(({ name }) => name === "far-one")).toMatchObject({ change: "kept" });
  expect(state("far-one")).toBe("running");
  expect(system.openings.length).toBe(opened + 1);
});
