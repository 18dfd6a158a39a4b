import { join } from "node:path";
import { expect, test } from "vitest";
import { folder } from "../resources/folder.ts";
import { Command, root } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";

const app = `
import { createApp } from ${JSON.stringify(join(root, "src/sdk/index.ts"))};
const app = createApp();
app.on("orders", async (event) => {
  const { id } = event.json();
  const { data } = await app.invoke("db", "get", { metadata: { key: String(id) } });
  await app.invoke("mail", "create", { data: "order of " + Buffer.from(data), metadata: { emailTo: "a@b.c" } });
  return { data: "ok" };
});
await app.start();
process.once("SIGTERM", () => void app.close());
`;

const components = `
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: orders }
spec:
  type: bindings.rabbitmq
  version: v1
  metadata:
    - { name: host, secretKeyRef: { name: broker, key: url } }
    - { name: queueName, value: orders }
    - { name: backOffPolicy, value: constant }
    - { name: backOffDuration, value: 10ms }
    - { name: backOffMaxRetries, value: "2" }
auth: { secretStore: vault }
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: db }
spec:
  type: bindings.redis
  version: v1
  metadata: [{ name: redisHost, value: "redis.invalid:6379" }]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: mail }
spec:
  type: bindings.smtp
  version: v1
  metadata:
    - { name: host, value: smtp.invalid }
    - { name: port, value: "587" }
    - { name: emailFrom, value: shop@example.com }
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: vault }
spec:
  type: secretstores.hashicorp.vault
  version: v1
  metadata: [{ name: vaultAddr, value: "https://vault.invalid" }, { name: vaultToken, value: token }]
`;

function dryRun(feed: string, args: readonly string[], yaml = components): Command {
  const files = folder({ "app.mjs": app, "feed.jsonl": feed });
  const resources = folder({ "all.yaml": yaml });
  return new Command([
    ...["run", "--dry", "--dapr-http-port=0", "--dapr-grpc-port=0", "--enable-metrics=false"],
    ...["--dapr-listen-addresses=127.0.0.1", "--resources-path", resources, ...args],
    ...["--feed", join(files, "feed.jsonl"), "--", process.execPath, join(files, "app.mjs")],
  ]);
}

test("an app runs against stand-ins: events in, calls out as JSON lines, faults, named secrets", async () => {
  const command = dryRun(
    `{"output":"db","operation":"get","text":"Ada"}
{"input":"orders","json":{"id":1},"key":"a"}

{"input":"orders","text":"no JSON","key":"a"}
{"input":"ordrs","text":"x"}
`,
    ["--fault", "orders: fail 1st", "--fault", "mail: delay 1ms 99th"],
  );
  expect(await command.exited).toBe(1);
  const lines = command.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    { output: "db", operation: "get", metadata: { key: "1" }, outcome: "answered" },
    { output: "mail", operation: "create", text: "order of Ada", outcome: "answered" },
    { input: "orders", outcome: "handled", attempts: 2, deliveries: 1, reply: { text: "ok" } },
    { input: "orders", outcome: "handled", attempts: 3, movedTo: "dead letters" },
  ]);
  expect(command.stderr).toMatch(/a secret cannot be read.* secret=vault\/broker\/url/);
  expect(command.stderr).toMatch(/a line of the feed is wrong line=5 .*did you mean \\"orders\\"/);
  expect(command.stderr).toContain('faults have not struck faults=["mail: delay 1ms 99th"]');
  expect(command.stderr).not.toContain("exiting now");
});

test("a run whose events are all handled ends well", async () => {
  const command = dryRun(
    '{"output":"db","operation":"get","text":"Ada"}\n{"input":"orders","json":{"id":1}}\n',
    ["--log-level", "error"],
  );
  expect(await command.exited).toBe(0);
  expect(command.stderr).toBe("");
});

test("an app that ends before its events are handled does not end well", async () => {
  const resources = folder({ "all.yaml": components, "feed.jsonl": '{"input":"orders","json":1}' });
  const command = new Command([
    ...["run", "--dry", "--dapr-http-port=0", "--dapr-grpc-port=0", "--enable-metrics=false"],
    ...["--dapr-listen-addresses=127.0.0.1", "--resources-path", join(resources, "all.yaml")],
    ...["--feed", join(resources, "feed.jsonl"), "--", process.execPath, "-e", ""],
  ]);
  expect(await command.exited).toBe(1);
  expect(command.stderr).toContain("ended before all events of the feed were handled");
  expect(command.stderr).not.toMatch(/a line of the feed is wrong|exiting now/);
});

test("a fault of no component ends the run", async () => {
  const command = dryRun("", ["--fault", "ordres: fail", "--fault", "mail: poison"]);
  expect(await command.exited).toBe(2);
  expect(command.stderr).toMatch(/a fault is wrong fault="ordres: fail" .*did you mean/);
  expect(command.stderr).toMatch(/a fault is wrong fault="mail: poison" .*it reads no events/);
});

test.each([
  [["--dry", "--fault", "orders: fial"], '"fial" is no fault; did you mean fail?'],
  [["--fault", "orders: fail"], "--fault needs --dry"],
  [
    ["--dry", "--store", "nats://127.0.0.1:1"],
    "--dry keeps its records in memory; leave out --store",
  ],
  [["--feed", "-"], "--feed needs --dry"],
  [["--dry", "--feed", "/nowhere/feed.jsonl"], "--feed /nowhere/feed.jsonl cannot be read: "],
])("run %j is refused: %s", async (args, why) => {
  const { code, stderr } = await cufflinkHere(["run", ...args, "--", "true"]);
  expect(stderr).toContain(why);
  expect(code).toBe(2);
});

test("a dry run has one thread, and says so", async () => {
  const { code, stderr } = await cufflinkHere(["run", "--dry", "--workers", "2", "--", "true"]);
  expect(stderr).toContain("--dry has one thread; leave out --workers");
  expect(code).toBe(2);
});

test("what is relayed is read and delivered by the run itself", async () => {
  const relayed = components.replace(
    "queueName, value: orders }",
    '$&\n    - { name: relay, value: "true" }',
  );
  const command = dryRun(
    '{"output":"db","operation":"get","text":"Ada"}\n{"input":"orders","json":{"id":1}}\n',
    [],
    relayed,
  );
  expect(await command.exited).toBe(0);
  expect(command.stdout).toMatch(/"input":"orders".*"handled"/);
});
