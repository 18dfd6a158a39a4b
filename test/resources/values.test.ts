import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { brief, check, component, folder, load } from "./folder.ts";

async function valueOf(yaml: string): Promise<string | undefined> {
  const path = folder({
    "a.yaml": component("a", "bindings.redis", `- name: x\n  value: ${yaml}`),
  });
  return (await (await load(path)).components[0]?.resolve())?.values["x"];
}

test.each([
  ['"a"', "a"],
  ["5", "5"],
  ["true", "true"],
  ["yes", "true"],
  ["On", "true"],
  ["off", "false"],
  ["'yes'", "yes"],
  ["!!str yes", "yes"],
  ['!!int "5"', "5"],
  ["1.50", "1.5"],
  ["010", "8"],
  ["0x1F", "31"],
  ["0b11", "3"],
  ["0o17", "15"],
  ["089", "89"],
  ["1_000", "1000"],
  ["-0", "0"],
  ["+5", "5"],
  ["12345678901234567890", "12345678901234567890"],
  ["1e3", "1000"],
  ["1e21", "1e+21"],
  ["0.0000001", "1e-7"],
  [".5", "0.5"],
  ["2026-11-23", "2026-11-23"],
  ["2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"],
  ["12:30", "12:30"],
  ["1.2.3", "1.2.3"],
  [".inf", ".inf"],
  ["host:6379", "host:6379"],
  ["null", ""],
  ["~", ""],
  ["", ""],
  ["[1, a, yes]", '[1,"a",true]'],
  ["{b: 1, a: {c: null}}", '{"a":{"c":null},"b":1}'],
  ["|\n      two\n      lines", "two\nlines\n"],
  ['"\\u00e9\\n"', "é\n"],
])("%s is the text %j", async (yaml, text) => {
  expect(await valueOf(yaml)).toBe(text);
});

test("anchors, aliases and merge keys", async () => {
  const yaml = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: a}
spec:
  type: bindings.redis
  version: v1
  metadata:
    - &host {name: redisHost, value: &v elsewhere}
    - {name: x, value: *v}
    - {<<: *host, name: why}
    - {<<: [{value: one}, *host], name: z}
`;
  const path = folder({ "a.yaml": yaml });
  const { components, problems } = await load(path);
  expect(problems).toEqual([]);
  expect(await components[0]?.resolve()).toMatchObject({
    values: { redisHost: "elsewhere", x: "elsewhere", why: "elsewhere", z: "one" },
  });
});

test("templates", async () => {
  const metadata = `
- {name: redisHost, value: "{appID}/{namespace}/{podName}/{other}/{APPID}"}
- {name: x, value: "{uuid} {uuid}"}`;
  const path = folder({ "a.yaml": component("a", "bindings.redis", metadata) });
  const { components } = await load(path, { env: { POD_NAME: "pod-1" }, appId: "sh$&op" });
  const first = await components[0]?.resolve();
  expect(first?.values["redisHost"]).toBe("sh$&op/default.sh$&op/pod-1/{other}/{APPID}");
  const uuids = first?.values["x"]?.split(" ") ?? [];
  expect(new Set(uuids).size).toBe(2);
  expect(uuids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  // A component that is opened again keeps the names it was given.
  expect((await components[0]?.resolve())?.values["x"]).toBe(first?.values["x"]);
  const again = await load(path, { env: { POD_NAME: "pod-1", NAMESPACE: "prod" } });
  const second = await again.components[0]?.resolve();
  expect(second?.values["redisHost"]).toContain("/prod.shop/");
  expect(second?.values["x"]).not.toBe(first?.values["x"]);
});

test("{podName} without POD_NAME fails the component", async () => {
  const path = folder({
    "a.yaml": component("a", "bindings.redis", '- {name: redisHost, value: "{podName}"}'),
  });
  const { components, problems } = await load(path);
  expect(brief(problems, path)).toEqual([
    'a.yaml:8:32 error: property "redisHost" uses {podName}, but the environment variable POD_NAME is not set',
  ]);
  await expect(components[0]?.resolve()).rejects.toThrow("POD_NAME is not set");
});

test("envRef and what it may not read", async () => {
  const metadata = `
- {name: redisHost, envRef: HOST}
- {name: redisDB, value: 3, envRef: HOST}
- {name: a, envRef: dapr_secret}
- {name: b, envRef: APP_API_TOKEN}
- {name: c, envRef: "A B"}
- {name: d, envRef: GONE}`;
  const path = folder({ "a.yaml": component("a", "bindings.redis", metadata) });
  const env = { HOST: "elsewhere", dapr_secret: "x", APP_API_TOKEN: "x", "A B": "x" };
  const { components, problems } = await load(path, { env });
  expect(await components[0]?.resolve()).toMatchObject({
    values: { redisHost: "elsewhere", redisDB: "3", a: "", b: "", c: "", d: "" },
  });
  expect(brief(problems, path)).toEqual([
    'a.yaml:9:41 warning: property "redisDB" has a value, so its envRef is ignored',
    'a.yaml:10:25 warning: property "a" is empty: "dapr_secret" is not shown to components',
    'a.yaml:11:25 warning: property "b" is empty: "APP_API_TOKEN" is not shown to components',
    'a.yaml:12:25 warning: property "c" is empty: "A B" is no name of an environment variable',
    'a.yaml:13:25 warning: property "d" is empty: the environment variable "GONE" is not set',
  ]);
  const limited = await load(path, { env: { ...env, DAPR_ENV_KEYS: "OTHER GONE" } });
  expect(brief(limited.problems, path)[0]).toBe(
    'a.yaml:8:33 warning: property "redisHost" is empty: "HOST" is not among DAPR_ENV_KEYS',
  );
});

const usesVault = (ref: string): string =>
  component(
    "a",
    "bindings.redis",
    `- {name: redisHost, value: h}\n- {name: redisPassword, secretKeyRef: ${ref}}`,
    "auth: {secretStore: vault}",
  );

function fileStore(path: string, rest = ""): string {
  return component(
    "vault",
    "secretstores.local.file",
    `- {name: secretsFile, value: ${path}}\n${rest}`,
  );
}

test.each([
  ["{name: flat}", "", "one"],
  ["{name: flat, key: flat}", "", "one"],
  ["{name: 'nested:deep:0'}", "", "two"],
  ["{name: 'nested.deep.0'}", "- {name: nestedSeparator, value: .}", "two"],
  ["{name: number}", "", "12345678901234567890"],
  ["{name: yes}", "", "true"],
  ["{name: nested, key: 'deep:0'}", "- {name: multiValued, value: yes}", "two"],
  ["{name: flat}", "- {name: multiValued, value: yes}", "one"],
])("file store: %s with %j is %j", async (ref, rest, secret) => {
  const secrets = folder({
    "s.json": '{"flat":"one","nested":{"deep":["two"]},"number":12345678901234567890,"true":true}',
  });
  const path = folder({
    "a.yaml": `${fileStore(`${secrets}/s.json`, rest)}---\n${usesVault(ref)}`,
  });
  const { components, problems } = await load(path);
  expect(problems).toEqual([]);
  expect(await components[0]?.resolve()).toEqual({
    values: { redisHost: "h", redisPassword: secret },
    secrets: [secret],
  });
});

test.each([
  ["{name: token}", "one"],
  ["{name: redis, key: password}", "two\n"],
])("a folder of secrets, as Kubernetes mounts them: %s", async (ref, secret) => {
  const secrets = folder({
    token: "one\n",
    "redis/password": "two\n\n",
    "redis/..data/password": "old",
  });
  const path = folder({ "a.yaml": `${fileStore(secrets)}---\n${usesVault(ref)}` });
  const { components, problems } = await load(path);
  expect(problems).toEqual([]);
  expect((await components[0]?.resolve())?.values["redisPassword"]).toBe(secret);
});

test.each(["../outside", "..", ".", "redis/password", "..data"])(
  "a folder of secrets gives nothing for %j",
  async (name) => {
    const outer = folder({ outside: "x", "secrets/redis/password": "x", "secrets/..data": "x" });
    const path = folder({
      "a.yaml": `${fileStore(`${outer}/secrets`)}---\n${usesVault(`{name: "${name}"}`)}`,
    });
    const { components, problems } = await load(path);
    expect(problems).toMatchObject([
      { message: expect.stringContaining("is not in the secret store") },
    ]);
    await expect(components[0]?.resolve()).rejects.toMatchObject({ reason: "failed_precondition" });
  },
);

test("environment store", async () => {
  const store = component("vault", "secretstores.local.env", "- {name: prefix, value: SHOP_}");
  const path = folder({ "a.yaml": `${usesVault("{name: PASSWORD}")}---\n${store}` });
  const { components } = await load(path, { env: { SHOP_PASSWORD: "one" } });
  expect((await components[0]?.resolve())?.values["redisPassword"]).toBe("one");
  expect(brief((await load(path, { env: {} })).problems, path)).toEqual([
    'a.yaml:9:50 error: property "redisPassword": secret "PASSWORD" is not in the secret store "vault"',
  ]);
});

test("a store may take its own metadata from another, but not from itself", async () => {
  const secrets = folder({ "s.json": '{"flat":"one"}' });
  const store = component(
    "vault",
    "secretstores.local.file",
    "- {name: secretsFile, secretKeyRef: {name: WHERE}}",
    "auth: {secretStore: env}",
  );
  const env = component("env", "secretstores.local.env");
  const path = folder({ "a.yaml": `${usesVault("{name: flat}")}---\n${store}---\n${env}` });
  const { components } = await load(path, { env: { WHERE: `${secrets}/s.json` } });
  expect((await components[0]?.resolve())?.values["redisPassword"]).toBe("one");

  const circle = folder({
    "a.yaml": `${usesVault("{name: flat}")}---\n${store.replace("secretStore: env", "secretStore: vault")}`,
  });
  const { components: stuck } = await load(circle);
  await expect(stuck[0]?.resolve()).rejects.toThrow("needs a secret of its own");
});

test("a secret that is missing is told with its place, and found when it comes, changed or not", async () => {
  const secrets = folder({ "s.json": '{"passwrod": "one"}' });
  const path = folder({
    "a.yaml": `${fileStore(`${secrets}/s.json`, "- {name: multiValued, value: true}")}---\n${usesVault("{name: redis, key: password}")}`,
  });
  const { components, problems } = await load(path);
  expect(brief(problems, path)).toEqual([
    'a.yaml:19:50 error: property "redisPassword": secret "redis" is not in the secret store "vault"',
  ]);
  await expect(components[0]?.resolve()).rejects.toThrow(
    `${path}/a.yaml:19:50: property "redisPassword"`,
  );
  writeFileSync(`${secrets}/s.json`, '{"redis": {"passwrod": "one"}}');
  expect(brief((await load(path)).problems, path)[0]).toContain(
    'has no key "password"; did you mean "passwrod"?',
  );
  for (const secret of ["one", "two"]) {
    writeFileSync(`${secrets}/s.json`, JSON.stringify({ redis: { password: secret } }));
    expect((await components[0]?.resolve())?.values["redisPassword"]).toBe(secret);
  }
});

test("every reason why a secret cannot be had", async () => {
  const secrets = folder({ "bad.json": '{"a": hunter2}', "list.json": "[1]" });
  const reason = async (
    store: string,
    uses = usesVault("{name: flat}"),
  ): Promise<string | undefined> => {
    const path = folder({ "a.yaml": `${store}---\n${uses}` });
    return brief(await check(path), path).at(-1);
  };
  expect(await reason(fileStore(`${secrets}/bad.json`))).toContain(
    `${secrets}/bad.json is not valid JSON`,
  );
  expect(await reason(fileStore(`${secrets}/list.json`))).toContain("holds no JSON object");
  expect(await reason(fileStore(`${secrets}/gone.json`))).toContain(
    "gone.json cannot be read: there is no such file or folder",
  );
  expect(await reason(component("vualt", "secretstores.local.env"))).toContain(
    'which is not defined in the resources; did you mean "vualt"?',
  );
  expect(await reason(component("vault", "secretstores.huaweicloud.csms"))).toContain(
    "secretstores.huaweicloud.csms, which is not supported",
  );
  const noStore = usesVault("{name: flat}").replace(/auth:.*/, "");
  expect(await reason(component("vault", "secretstores.local.env"), noStore)).toContain(
    'add "auth: {secretStore: vault}"',
  );
});

test("a value beside a secretKeyRef stands in for it", async () => {
  const path = folder({
    "a.yaml": component(
      "a",
      "bindings.redis",
      "- {name: redisHost, value: h, secretKeyRef: {name: x}}",
      "auth: {secretStore: gone}",
    ),
  });
  expect(await (await load(path)).components[0]?.resolve()).toMatchObject({
    values: { redisHost: "h" },
  });
});

test("secrets for redaction: of stores, of sensitive and unknown fields, and passwords in URLs", async () => {
  const secrets = folder({ "s.json": JSON.stringify({ host: 'p@"ss' }) });
  const metadata = `
- {name: redisHost, secretKeyRef: {name: host}}
- {name: redisPassword, value: inline}
- {name: redisDB, value: "1"}
- {name: enableTLS, envRef: TLS}
- {name: route, value: "https://shop:in%2Furl@id.example.com/token"}
- {name: other, value: unknown}`;
  const yaml = `${fileStore(`${secrets}/s.json`)}---\n${component("a", "bindings.redis", metadata, "auth: {secretStore: vault}")}`;
  const { components } = await load(folder({ "a.yaml": yaml }), { env: { TLS: "true" } });
  const resolved = await components[0]?.resolve();
  expect(resolved?.secrets).toEqual(['p@"ss', "inline", "unknown", "in%2Furl", "in/url"]);
});

test("a property by itself, whatever is missing or wrong beside it", async () => {
  const metadata = `
- {name: redisPassword, secretKeyRef: {name: nowhere}}
- {name: Readiness, value: required}
- {name: redisHost, value: h, nonsense: 1}`;
  const path = folder({ "a.yaml": component("a", "bindings.redis", metadata) });
  const [one] = (await load(path)).components;
  await expect(one?.resolve()).rejects.toThrow("redisPassword");
  expect((await one?.resolve(["readiness", "required"]))?.values).toEqual({
    Readiness: "required",
  });
  await expect(one?.resolve(["redispassword"])).rejects.toThrow("redisPassword");
});
