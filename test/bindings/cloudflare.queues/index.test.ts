import { generateKeyPairSync } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import queues from "../../../src/bindings/cloudflare.queues/index.ts";
import { openOutput } from "../opened-output.ts";
import { startWorker, worker } from "./worker-stand-in.ts";

async function serve() {
  const server = await startWorker();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const open = (more: Record<string, string> = {}) =>
    openOutput(queues, { ...worker, workerUrl: server.workerUrl, ...more });
  return { server, open };
}

test.each([
  ["create", "plain", "plain"],
  ["publish", '"in quotes\\n"', "in quotes\n"],
  ["create", '{"a":1}', '{"a":1}'],
  ["create", "", ""],
])("%s %j sends %j", async (operation, data, sent) => {
  const { server, open } = await serve();
  await using output = await open({ workerUrl: `${server.workerUrl}/` });
  expect(await output.invoke(operation, {}, { data })).toBeUndefined();
  await output.ping();
  expect(server.messages).toEqual([sent]);
});

test.each([
  [200, "failed_precondition", "rejected"],
  [401, "unauthenticated", "rejected"],
  [429, "resource_exhausted", "unsent"],
  [500, "internal", "ambiguous"],
])("%s by the worker", async (status, reason, effect) => {
  const { server, open } = await serve();
  await using output = await open();
  server.state.status = status;
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ reason, effect, message: `invalid response status code: ${status}` },
  });
});

test.each([
  [{ version: "20221218", queues: ["orders"] }, "the worker is running an outdated version"],
  [{ queues: ["orders"] }, "the worker is running an outdated version"],
  [{ version: "20230101", queues: ["others"] }, "the worker is not bound to the queue 'orders'"],
  [{ version: "20230101" }, "the worker is not bound to the queue 'orders'"],
])("a worker that says %j is refused", async (info, message) => {
  const { server, open } = await serve();
  server.state.info = info;
  await expect(open()).rejects.toThrow(message);
});

test("a key that the worker does not know", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  const { open } = await serve();
  await expect(open({ key })).rejects.toThrow("invalid response status code: 401");
});

test("timeoutInSeconds bounds a request", async () => {
  const { server, open } = await serve();
  await using output = await open({ timeoutInSeconds: "1" });
  await server[Symbol.asyncDispose]();
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    effect: "unsent",
    message: expect.stringMatching(/^error invoking the worker: /),
  });
});

const { privateKey: other } = generateKeyPairSync("x25519");
test.each([
  [{ workerUrl: "" }, "invalid component metadata: either 'workerUrl' or the combination"],
  [
    { workerUrl: "", cfAPIToken: "t" },
    "invalid component metadata: either 'workerUrl' or the comb",
  ],
  [{ workerUrl: "ftp://host" }, "unsupported protocol scheme"],
  [{ queueName: "a/b" }, "metadata property 'queueName' is invalid"],
  [{ queueName: ".." }, "metadata property 'queueName' is invalid"],
  [{ timeoutInSeconds: "soon" }, "failed to parse value for 'timeoutInSeconds'"],
  [{ key: "secret" }, "invalid property 'key': not a PEM-encoded key"],
  [{ key: "-----BEGIN PUBLIC KEY-----" }, "not a private key in PKCS#8 format"],
  [{ key: "-----BEGIN PRIVATE KEY-----" }, "failed to import private key"],
  [{ key: other.export({ type: "pkcs8", format: "pem" }) }, "not an Ed25519 private key"],
])("the metadata %.80j are refused", async (properties, message) => {
  const { server, open } = await serve();
  await expect(open(properties as Record<string, string>)).rejects.toThrow(message);
  expect(server.received).toEqual([]);
});
