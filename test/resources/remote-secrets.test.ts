import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ComponentSpec } from "../../src/component.ts";
import { neededDrivers } from "../../src/resources/needed-drivers.ts";
import { ResourceMemory } from "../../src/resources/memory.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { until } from "../until.ts";
import { FarStore } from "./fake-store.ts";
import { brief, check, component, folder, load } from "./folder.ts";

const store = component("far", "secretstores.far", "- {name: token, value: t-canary}");

function uses(name: string, ...properties: string[]): string {
  const items = properties.map(
    (one) => `- {name: redisHost${one}, secretKeyRef: {name: db, key: ${one || "host"}}}`,
  );
  return component(name, "bindings.redis", items.join("\n"), "auth: {secretStore: far}");
}

/** What a component resolves to. */
async function valuesOf(spec: ComponentSpec | undefined): Promise<object | undefined> {
  return (await spec?.resolve())?.values;
}

test("a secret is read once a load, whoever needs it and however often", async () => {
  const far = new FarStore();
  far.secrets.set("db", { host: "one", a: "two", b: "three" });
  const path = folder({
    "a.yaml": [store, uses("x", "", "a"), uses("y", "b"), uses("z", "")].join("---\n"),
  });
  const secretStores = far.stores();
  const { components } = await load(path, { secretStores });
  expect(await valuesOf(components[0])).toEqual({ redisHost: "one", redisHosta: "two" });
  for (const one of components) await one.resolve();
  await components[0]?.resolve();
  expect(far.asked).toEqual(["db"]);
  await (await load(path, { secretStores })).components[0]?.resolve();
  expect(far.asked).toEqual(["db", "db"]);
  // One connection and log-in for as long as its definition stays.
  expect(far.opened).toEqual(["t-canary"]);
});

test("all secrets are asked for at the same time, before anyone waits for one", async () => {
  const far = new FarStore();
  const held = Promise.withResolvers<void>();
  far.trouble = held.promise;
  const names = ["one", "two", "three"];
  const components = names.map((name) =>
    component(
      name,
      "bindings.redis",
      `- {name: redisHost, secretKeyRef: {name: ${name}}}`,
      "auth: {secretStore: far}",
    ),
  );
  for (const name of names) far.secrets.set(name, { [name]: "v" });
  const path = folder({ "a.yaml": [store, ...components].join("---\n") });
  const loaded = await load(path, { secretStores: far.stores() });
  await until(() => far.asked.length === 3, { what: "all three to be asked for" });
  expect(far.asked.toSorted()).toEqual(names.toSorted());
  held.resolve();
  for (const one of loaded.components) expect(await valuesOf(one)).toEqual({ redisHost: "v" });
});

test("a store that does not answer holds up neither the load nor other components", async () => {
  const far = new FarStore();
  far.trouble = new Promise(() => {});
  const plain = component("plain", "bindings.redis", "- {name: redisHost, value: here}");
  const path = folder({ "a.yaml": [store, uses("x", ""), plain].join("---\n") });
  const secretStores = far.stores({ longestRead: 100 });
  const { components, problems } = await load(path, { secretStores });
  expect(problems).toEqual([]);
  expect(await valuesOf(components[1])).toEqual({ redisHost: "here" });
  expect(components[0]?.remoteSecretStores).toEqual(["far"]);
  expect(components[1]?.prepare).toBeUndefined();
  await expect(components[0]?.resolve()).rejects.toMatchObject({
    reason: "failed_precondition",
    message: expect.stringMatching(
      /a\.yaml:\d+:\d+: property "redisHost" needs a secret, but the secret store "far" cannot be read: no answer within 0\.1 s/,
    ),
  });
});

test("a store that is away is left alone between attempts, and its secrets come with it", async () => {
  const far = new FarStore();
  far.trouble = "away";
  far.secrets.set("db", { host: "one" });
  const path = folder({ "a.yaml": [store, uses("x", "")].join("---\n") });
  const logger = keepingLogger();
  const { components } = await load(path, { secretStores: far.stores({ logger }) });
  for (let asked = 0; asked < 1000; asked++)
    await expect(components[0]?.resolve()).rejects.toThrow("refused (token ***)");
  // 100 ms after the first failure, 200 ms after the second: however fast these thousand were.
  expect(far.asked.length).toBeLessThan(20);
  far.trouble = undefined;
  await until(async () => (await components[0]?.resolve().catch(() => undefined)) !== undefined, {
    what: "the secret to be there",
  });
  expect(await valuesOf(components[0])).toEqual({ redisHost: "one" });
  const said = logger.lines.map(({ message }) => message);
  expect(said).toEqual([
    "the secret store cannot be read; components that have their secrets go on, others wait",
    "the secret store can be read again",
  ]);
  expect(JSON.stringify(logger.lines)).not.toContain("canary");
});

test("a secret that is not there is asked for again, and one that was read counts while the store is away", async () => {
  const far = new FarStore();
  const path = folder({ "a.yaml": [store, uses("x", "")].join("---\n") });
  const [secretStores, memory] = [far.stores(), new ResourceMemory()];
  const [first] = (await load(path, { secretStores, memory })).components;
  await expect(first?.resolve()).rejects.toThrow('secret "db" is not in the secret store "far"');
  far.secrets.set("db", { host: "one" });
  expect(await valuesOf(first)).toEqual({ redisHost: "one" });
  far.trouble = "away";
  const [second] = (await load(path, { secretStores, memory })).components;
  await second?.prepare?.();
  expect(second?.fingerprint).toBe(first?.fingerprint);
  expect(await valuesOf(second)).toEqual({ redisHost: "one" });
  const [other] = (await load(path, { secretStores: far.stores(), memory })).components;
  await expect(other?.resolve()).rejects.toThrow("refused");
});

test("a changed secret is another fingerprint, an unchanged one the same", async () => {
  const far = new FarStore();
  far.secrets.set("db", { host: "one" });
  const path = folder({ "a.yaml": [store, uses("x", "")].join("---\n") });
  const secretStores = far.stores();
  const prepared = async (): Promise<string | undefined> => {
    const [spec] = (await load(path, { secretStores })).components;
    await spec?.prepare?.();
    return spec?.fingerprint;
  };
  const first = await prepared();
  expect(await prepared()).toBe(first);
  far.secrets.set("db", { host: "two" });
  expect(await prepared()).not.toBe(first);
});

test("refreshInterval: a change is told once it is read, and no other answer", async () => {
  const far = new FarStore();
  far.secrets.set("db", { host: "one" });
  const refreshed = component("far", "secretstores.far", "- {name: refreshInterval, value: 1s}");
  const path = folder({ "a.yaml": [refreshed, uses("x", "")].join("---\n") });
  let changes = 0;
  const logger = keepingLogger();
  const secretStores = far.stores({ onChange: () => changes++, logger });
  await (await load(path, { secretStores })).components[0]?.resolve();
  const asked = (times: number): Promise<void> =>
    until(() => far.asked.length >= times, { what: `the secret to be read ${times} times` });
  await asked(2);
  expect(changes).toBe(0);
  far.trouble = "away";
  await asked(3);
  await until(() => logger.lines.length > 0, { what: "the outage to be told" });
  expect(changes).toBe(0);
  far.trouble = undefined;
  far.secrets.set("db", { host: "two" });
  await until(() => changes > 0, { what: "the change to be told" });
});

test("a store takes its own secrets from another, and is opened anew where they have changed", async () => {
  const far = new FarStore();
  far.secrets.set("inner/t", { t: "token-one-canary" });
  far.secrets.set("db", { host: "one" });
  const chained = component(
    ...([
      "far",
      "secretstores.far",
      "- {name: token, secretKeyRef: {name: t}}",
      "auth: {secretStore: inner}",
    ] as const),
  );
  const inner = component(
    "inner",
    "secretstores.far",
    "- {name: place, value: inner}\n- {name: token, value: x}",
  );
  const path = folder({ "a.yaml": [uses("x", ""), chained, inner].join("---\n") });
  const secretStores = far.stores();
  const [first] = (await load(path, { secretStores })).components;
  expect(first?.remoteSecretStores).toEqual(["far", "inner"]);
  expect(await valuesOf(first)).toEqual({ redisHost: "one" });
  expect(far.opened).toEqual(["x", "token-one-canary"]);
  far.secrets.set("inner/t", { t: "token-two-canary" });
  const [second] = (await load(path, { secretStores })).components;
  expect(await valuesOf(second)).toEqual({ redisHost: "one" });
  expect(far.opened).toEqual(["x", "token-one-canary", "token-two-canary"]);
  await until(() => far.closed === 1, { what: "the old log-in to be closed" });
  far.trouble = "away";
  const [third] = (await load(path, { secretStores: far.stores() })).components;
  const error: unknown = await third?.resolve().catch((thrown: unknown) => thrown);
  expect(String(error)).toContain(
    '"far" cannot be read: property "token" needs a secret, but the secret store "inner" cannot be read: refused',
  );
  expect(String(error)).not.toContain("canary");
});

test("stores that need each other are refused at their lines, without being asked", async () => {
  const far = new FarStore();
  const of = (name: string, from: string): string =>
    component(
      name,
      "secretstores.far",
      "- {name: token, secretKeyRef: {name: t}}",
      `auth: {secretStore: ${from}}`,
    );
  const path = folder({
    "a.yaml": [
      of("a", "b"),
      of("b", "a"),
      uses("x", "").replace("secretStore: far", "secretStore: a"),
    ].join("---\n"),
  });
  const { problems, components } = await load(path, {
    secretStores: far.stores(),
    remoteSecrets: "skip",
  });
  expect(brief(problems, path)).toEqual([
    expect.stringMatching(
      /^a\.yaml:9:21 error: the secret store "b" needs a secret of its own to be read \("b" → "a" → "b"\)/,
    ),
    expect.stringMatching(/^a\.yaml:19:21 error: the secret store "a" needs a secret of its own/),
    expect.stringMatching(/^a\.yaml:29:21 error: the secret store "a" needs a secret of its own/),
  ]);
  await expect(components[0]?.resolve()).rejects.toThrow('"a" → "b" → "a"');
  expect(far.asked).toEqual([]);
});

test("check: nothing is asked and nothing said without remote secrets, all that is missing with them", async () => {
  const far = new FarStore();
  far.secrets.set("db", { a: "x", host: "" });
  const path = folder({ "a.yaml": [store, uses("x", "", "a", "gone")].join("---\n") });
  const skipped = { secretStores: far.stores(), remoteSecrets: "skip" } as const;
  const properties = ["redisHosta", "redisHostgone"].map(
    (name) => expect.stringContaining(`"${name}" is not known`) as string,
  );
  expect(brief(await check(path, skipped), path)).toEqual(properties);
  expect(far.asked).toEqual([]);
  const read = { secretStores: far.stores(), remoteSecrets: "read" } as const;
  expect(brief(await check(path, read), path)).toEqual([
    expect.stringContaining('property "redisHost": secret "db", key "host" in "far" is empty'),
    expect.stringContaining('property "redisHostgone": secret "db" in "far" has no key "gone"'),
    ...properties,
  ]);
  expect(far.asked).toEqual(["db"]);
  far.trouble = "away";
  const away = { secretStores: far.stores(), remoteSecrets: "read" } as const;
  expect(brief(await check(path, away), path)[0]).toContain("cannot be read: refused (token ***)");
});

test("the namespace of a component is told to a store that has some", async () => {
  const far = new FarStore();
  far.secrets.set("prod/db", { host: "one" });
  const path = folder({
    "a.yaml": [store, uses("x", "").replace("{name: x}", "{name: x, namespace: prod}")].join(
      "---\n",
    ),
  });
  const { components } = await load(path, { secretStores: far.stores() });
  expect(await valuesOf(components[0])).toEqual({ redisHost: "one" });
});

test("the drivers of stores are needed as their settings say, and an unread setting counts as given", async () => {
  const far = new FarStore();
  const path = folder({ "a.yaml": store });
  expect((await load(path, { secretStores: far.stores() })).storeDrivers).toEqual({});
  writeFileSync(`${path}/a.yaml`, component("far", "secretstores.far"));
  const { storeDrivers, components } = await load(path, { secretStores: far.stores() });
  expect(storeDrivers).toEqual({ "far-driver": "1.0.0" });
  expect(await neededDrivers(components, [])).toEqual({});
});

test("what is wrong with a store keeps its components waiting, with the reason", async () => {
  const far = new FarStore();
  const wrong = component("far", "secretstores.far", "- {name: wait, value: soon}");
  const path = folder({ "a.yaml": [wrong, uses("x", "")].join("---\n") });
  const { components, problems } = await load(path, { secretStores: far.stores() });
  expect(brief(problems, path)).toEqual([expect.stringContaining('property "wait"')]);
  await expect(components[0]?.resolve()).rejects.toThrow('"far" cannot be read: its metadata wait');
});
