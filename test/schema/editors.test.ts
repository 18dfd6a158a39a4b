import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LanguageServer, modeline, schemaPath } from "./language-server.ts";

let editor: LanguageServer;
beforeAll(async () => {
  editor = await LanguageServer.start();
});
afterAll(() => editor[Symbol.asyncDispose]());

const schema = schemaPath();
const head = `${modeline(schema)}apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: orders\n`;
const kafka = `${head}spec:\n  type: bindings.kafka\n  version: v1\n  metadata:\n`;
let files = 0;
const file = (): string => `/components/${files++}.yaml`;
const labels = async (text: string): Promise<string[]> =>
  (await editor.complete(file(), text)).map(({ label }) => label);

describe("completion", () => {
  test("of kinds, keys and types", async () => {
    expect(await labels(`${modeline(schema)}apiVersion: dapr.io/v1alpha1\nkind: |`)).toEqual(
      expect.arrayContaining(["Component", "Configuration", "Resiliency"]),
    );
    expect(await labels(`${head}|`)).toEqual(expect.arrayContaining(["spec", "auth", "scopes"]));
    const types = await labels(`${head}spec:\n  type: |\n`);
    expect(types).toEqual(
      expect.arrayContaining(["bindings.redis", "bindings.mqtt", "secretstores.local.env"]),
    );
  });

  test("of the names of a type's properties, with what they are", async () => {
    const offered = await editor.complete(file(), `${kafka}    - name: |\n`);
    const brokers = offered.find(({ label }) => label === "brokers");
    expect(brokers?.documentation).toMatch(/^The bootstrap brokers/);
    expect(offered.map(({ label }) => label)).toEqual(
      expect.arrayContaining(["consumerID", "maxInFlight", "direction"]),
    );
    const ofCron = await labels(`${kafka.replace("kafka", "cron")}    - name: |\n`);
    expect(ofCron).toEqual(expect.arrayContaining(["schedule", "maxInFlight"]));
    expect(ofCron).not.toContain("brokers");
    expect(ofCron).not.toContain("idempotencyWindow");
  });

  test("of values and of the ways to give one", async () => {
    expect(await labels(`${kafka}    - name: authType\n      value: |\n`)).toEqual(
      expect.arrayContaining(["none", "mtls", "oidc"]),
    );
    expect(await labels(`${kafka}    - name: skipVerify\n      value: |\n`)).toEqual(
      expect.arrayContaining(["true", "false"]),
    );
    expect(await labels(`${kafka}    - name: saslPassword\n      |\n`)).toEqual(
      expect.arrayContaining(["value", "secretKeyRef", "envRef"]),
    );
  });
});

test("a field is described where it stands", async () => {
  const shown = await editor.hover(file(), `${kafka}    - name: brokers\n      va|lue: a:9092\n`);
  expect(shown).toContain("The bootstrap brokers");
});

test("mistakes in a component are shown at their lines", async () => {
  const text = `${kafka}    - name: brokrs
      value: a:9092
    - name: authType
      value: nobody
    - name: maxMessageBytes
      value: ten
    - name: maxInFlight
      value: 0
    - name: dialTimeout
      value: 5 minutes
    - name: saslPassword
      secretKeyRef:
        nam: kafka
`;
  expect(await editor.diagnose(file(), text)).toEqual([
    { line: 2, message: expect.stringContaining('add "auth: {secretStore: NAME}"') as string },
    { line: 10, message: "bindings.kafka has no property of this name." },
    { line: 10, message: "bindings.kafka requires the property brokers." },
    { line: 13, message: expect.stringMatching(/^This must be one of none, password/) as string },
    { line: 15, message: "This must be an integer of at least 0." },
    { line: 17, message: "Value is below the minimum of 1." },
    { line: 19, message: expect.stringMatching(/^This must be a duration/) as string },
    { line: 21, message: 'Missing property "name".' },
    { line: 22, message: "Property nam is not allowed." },
  ]);
});

test("mistakes around it", async () => {
  const text = `${modeline(schema)}apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: a/b
spc: {}
spec:
  type: bindings.kafca
`;
  expect(await editor.diagnose(file(), text)).toEqual([
    { line: 5, message: "The name cannot be part of a URL's path." },
    { line: 6, message: "Property spc is not allowed." },
    { line: 8, message: "There is no such type." },
  ]);
});

test("what is right in other ways of writing it", async () => {
  const text = `${kafka}    - name: BROKERS
      value: a:9092
    - {name: AuthType, value: None}
    - {name: maxMessageBytes, value: "0x100"}
    - {name: clientId, value: "{podName}"}
    - {name: heartbeatInterval, value: 3}
    - {name: saslPassword, envRef: KAFKA_PASSWORD}
    - {name: excludeHeaderMetaRegex, value:}
scopes: [shop]
`;
  expect(await editor.diagnose(file(), text)).toEqual([]);
  const typed = text.replace("bindings.kafka", "bindings.Kafka");
  expect(await editor.diagnose(file(), typed)).toEqual([]);
});

test("by settings: all documents of a file, other kinds, and documents of others", async () => {
  const schemas = { [schema]: "components/*.yaml" };
  await using settings = await LanguageServer.start({ schemas });
  const text = `apiVersion: apps/v1
kind: Deployment
replicas: 1
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata:
  name: shop
spec:
  policies:
    retries:
      slow: {policy: constant, duration: 5s, matching: {httpStatusCodes: "429,500-599"}}
      wrong: {policy: fibonacci, duratio: 5s}
    timeouts: {short: 5 s}
  targets:
    components:
      orders: {outbound: {retry: slow}}
---
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: shop
spec:
  tracing: {samplingRate: "1"}
  features: [{name: HotReload, enable: false}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: orders
spec:
  type: bindings.redis
`;
  expect(await settings.diagnose("/components/all.yaml", text)).toEqual([
    { line: 13, message: 'Value is not accepted. Valid values: "constant", "exponential".' },
    { line: 13, message: "Property duratio is not allowed." },
    { line: 14, message: expect.stringMatching(/^This must be a duration/) as string },
    { line: 25, message: "Property enable is not allowed." },
    { line: 31, message: 'Missing property "metadata".' },
  ]);
});
