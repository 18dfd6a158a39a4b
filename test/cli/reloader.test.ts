import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { Reloader, type ReloaderOptions } from "../../src/cli/reloader.ts";
import type { ComponentSpec } from "../../src/component.ts";
import type { ReloadResult } from "../../src/runtime/component/reload.ts";
import { component, folder } from "../resources/folder.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { until } from "../until.ts";

const result: ReloadResult = {
  ...{ revision: 1, at: 0, outcome: "applied", components: [], problems: [] },
};

/** Reads a folder's resources, and keeps the components that were to be applied. */
async function reloading(path: string, options: Partial<ReloaderOptions> = {}) {
  const applied: (readonly ComponentSpec[])[] = [];
  const reloader = await Reloader.create({
    appId: "shop",
    resourcesPaths: [path],
    configPaths: [],
    maxBodySize: 4 * 1024 * 1024,
    bindings,
    needBindings: async () => undefined,
    logger: keepingLogger(),
    onLoaded: () => undefined,
    async apply(components) {
      applied.push(components);
      return result;
    },
    ...options,
  });
  onTestFinished(() => reloader.close());
  return { reloader, applied };
}

test("a reading that fails fails who asked for it, and none that comes after", async () => {
  let readings = 0;
  const { reloader } = await reloading(folder({}), {
    apply() {
      if (++readings === 2) throw new Error("this was not expected");
      return Promise.resolve(result);
    },
  });
  await reloader.start();
  await expect(reloader.reload()).rejects.toThrow("this was not expected");
  expect(await reloader.reload()).toBe(result);
});

test("a definition is told as it was read last, without its secrets, and with what is wrong in it", async () => {
  const redis = "- {name: redisHost, value: 'a:1'}\n- {name: redisPassword, value: hunter2}\n";
  const path = folder({ "a.yaml": component("cache", "bindings.redis", redis) });
  const { reloader } = await reloading(path);
  expect(reloader.definition("cache")).toBeUndefined();
  await reloader.start();
  const file = join(path, "a.yaml");
  const shown = component("cache", "bindings.redis", redis.replace("hunter2", "***"));
  expect(reloader.definition("cache")).toEqual({ yaml: shown, file, line: 1, findings: [] });
  const wrong = component("cache", "bindings.redis", redis.replace("redisHost", "redisHosts"));
  writeFileSync(file, wrong);
  await reloader.reload();
  expect(reloader.definition("cache")?.findings.map(({ line }) => line)).toEqual([7, 8]);
  expect(reloader.definition("nosuch")).toBeUndefined();
});

test("a secret that is rotated right after the start is taken up", async () => {
  const path = folder({ "secrets/vault.json": '{"root": "one"}' });
  const vault = join(path, "secrets/vault.json");
  const file = component(
    "files",
    "bindings.localstorage",
    "- {name: rootPath, secretKeyRef: {name: root, key: root}}",
    "auth: {secretStore: vault}",
  );
  const store = component(
    "vault",
    "secretstores.local.file",
    `- {name: secretsFile, value: "${vault}"}`,
  );
  writeFileSync(join(path, "resources.yaml"), `${file}---\n${store}`);
  const { reloader, applied } = await reloading(path);
  await reloader.start();
  await until(() => applied.length > 0, { what: "the first reading" });
  writeFileSync(vault, '{"root": "another"}');
  await until(() => applied.length > 1, { what: "the rotated secret to be read" });
  const [files] = applied.at(-1) ?? [];
  expect((await files?.resolve())?.values).toMatchObject({ rootPath: "another" });
});

test.each([
  [false, 1],
  [true, 0],
  [undefined, 0],
])("what cannot be relayed is found at load: a shared store %s", async (sharedStore, count) => {
  const items = '- { name: schedule, value: "@every 1h" }\n- { name: relay, value: "true" }';
  const path = folder({ "a.yaml": component("a", "bindings.cron", items) });
  const told: string[] = [];
  const { reloader } = await reloading(path, {
    sharedStore,
    async apply(_, findings) {
      told.push(...(findings?.problems ?? []).filter((text) => text.includes("relay")));
      return result;
    },
  });
  await reloader.start();
  expect(told).toHaveLength(count);
  for (const text of told) expect(text).toMatch(/--store nats:.*remove it/);
});
