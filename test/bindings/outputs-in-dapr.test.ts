import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { createApp } from "../../src/app/app.ts";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import { spiedLogger, untilAvailable } from "../app/delivery.ts";
import { FakeSystem, component, startRuntime } from "../runtime/fake-binding.ts";

/** The types that Dapr has as outputs only. */
const outputsInDapr = new Set([
  ...["alicloud.oss", "alicloud.sls", "alicloud.tablestore", "apns", "aws.dynamodb", "aws.s3"],
  ...["aws.ses", "aws.sns", "azure.blobstorage", "azure.cosmosdb", "azure.cosmosdb.gremlinapi"],
  ...["azure.openai", "azure.signalr", "cloudflare.queues", "commercetools", "dubbo", "gcp.bucket"],
  ...["graphql", "http", "huawei.obs", "influx", "kitex", "localstorage", "mysql", "postgres"],
  ...["redis", "sftp", "smtp", "postmark", "twilio.sendgrid", "twilio.sms", "wasm"],
  "zeebe.command",
]);

/** An app that answers 405 to everything, which to Dapr means that it subscribes. */
async function appThatAnswers405() {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.writeHead(405).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const app = await createApp({ protocol: "http", port, logger: spiedLogger() });
  onTestFinished(async () => {
    await app.close();
    server.closeAllConnections();
    server.close();
  });
  await untilAvailable(app);
  return { app, requests };
}

test("each type that Dapr has as an output only reads only if it is told to", () => {
  const reads = bindings.filter((one) => one.read !== undefined && outputsInDapr.has(one.name));
  expect(reads.filter((one) => one.inputIsOptional !== true).map(({ name }) => name)).toEqual([]);
  const others = bindings.filter((one) => one.inputIsOptional && !outputsInDapr.has(one.name));
  expect(others.map(({ name }) => name)).toEqual([]);
});

const fake: AnyBinding = { ...new FakeSystem().binding("fake"), inputIsOptional: true };

/** What each needs as an output, and what it needs more to read. */
const needed: Readonly<Record<string, { output: Values; input?: Values }>> = {
  fake: { output: { host: "here" } },
  "alicloud.sls": {
    output: { endpoint: "here", accessKeyID: "a", accessKeySecret: "b" },
    input: { project: "shop", logstore: "orders" },
  },
  "aws.s3": { output: { bucket: "shop" }, input: { onHandled: "delete" } },
  "azure.blobstorage": {
    output: { accountName: "shop", containerName: "orders" },
    input: { onHandled: "delete" },
  },
  "gcp.bucket": { output: { bucket: "shop", projectID: "p" }, input: { onHandled: "tag" } },
  http: { output: { url: "http://127.0.0.1:9/" } },
  sftp: { output: { address: "here:22", username: "shop" } },
  postgres: { output: { connectionString: "host=here" }, input: { mode: "changes" } },
};
type Values = Readonly<Record<string, string>>;

const optional = [fake, ...bindings.filter((one) => one.inputIsOptional)];

test.each(optional.map((one) => [one.name, one] as const))(
  "%s without `direction`: an app that answers 405 to everything is not asked, and nothing is read",
  async (name, binding) => {
    const { app, requests } = await appThatAnswers405();
    const { output, input } = needed[name] ?? { output: {} };
    const read = vi.fn(() => ({ stop() {}, flush() {}, close() {} }));
    // Not what it connects to is the matter here, but what it is asked to do there.
    const open = (): AsyncDisposable => ({ [Symbol.asyncDispose]: async () => {} });
    const started = startRuntime({ app, bindings: [{ ...binding, open, read }] });
    const spec = (called: string, values: Values) =>
      component(name, {}, { name: called, resolve: async () => ({ values, secrets: [] }) });
    const direction = "input, output";
    await started.runtime.apply([
      spec("plain", output),
      spec("told", { ...output, ...input, direction }),
    ]);
    await vi.waitFor(() => expect(read).toHaveBeenCalled());
    expect(started.status("plain")).toMatchObject({
      ...{ state: "running", directions: { input: false, output: true } },
    });
    expect(started.status("told")).toMatchObject({ directions: { input: true, output: true } });
    expect(read).toHaveBeenCalledTimes(1);
    expect(requests.filter((request) => request.startsWith("OPTIONS"))).toEqual([]);
  },
);
