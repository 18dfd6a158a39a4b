import { createServer } from "node:https";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import { caCertField } from "../../src/metadata/tls-fields.ts";
import { makeCertificates } from "./certificates.ts";
import type { Certificates } from "./certificates.ts";
import { startLoopback } from "./http/loopback-server.ts";
import { openOutput } from "./opened-output.ts";

const key =
  "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const aliyun = { accessKeyID: "id", accessKey: "hush" };
const account = { accountName: "shop", accountKey: "aHVzaA==" };
const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
const order = '{"id":"1"}';

/** Outputs at a server of that URL; what is sent, and by which operation unless it is `create`. */
const outputs: Record<
  string,
  (url: string) => {
    properties: Record<string, string>;
    operation?: string;
    request?: object;
    data?: string;
  }
> = {
  "alicloud.dingtalk.webhook": (url) => ({
    properties: { id: "alerts", url: `${url}/robot/send?access_token=hush` },
  }),
  "alicloud.oss": (url) => ({ properties: { ...aliyun, endpoint: url, bucket: "orders" } }),
  "alicloud.sls": (endpoint) => ({
    properties: {
      ...{ endpoint, accessKeyID: "id", accessKeySecret: "hush" },
      ...{ project: "shop", logstore: "orders", topic: "new", source: "web" },
    },
  }),
  "alicloud.tablestore": (endpoint) => ({
    properties: { ...aliyun, endpoint, instanceName: "shop", tableName: "orders" },
    request: { primaryKeys: "id" },
  }),
  "azure.blobstorage": (endpoint) => ({
    properties: { ...account, endpoint, containerName: "orders" },
  }),
  "azure.cosmosdb": (url) => ({
    properties: {
      ...{ url, masterKey: "aHVzaA==", database: "shop", collection: "orders", partitionKey: "id" },
    },
  }),
  "azure.eventgrid": (url) => ({ properties: { topicEndpoint: url, accessKey: "hush" } }),
  "azure.openai": (endpoint) => ({
    properties: { endpoint, apiKey: "hush" },
    operation: "completion",
    data: '{"deploymentID":"gpt","prompt":"Hello"}',
  }),
  "azure.signalr": (endpoint) => ({
    properties: { endpoint, accessKey: "hush", hub: "orders" },
    data: '{"target":"new","arguments":[]}',
  }),
  "azure.storagequeues": (endpoint) => ({
    properties: { ...account, endpoint, queueName: "orders" },
  }),
  "cloudflare.queues": (workerUrl) => ({
    properties: { workerUrl, key, workerName: "shop", queueName: "orders" },
  }),
  postmark: (apiUrl) => ({ properties: { apiUrl, serverToken: "hush", ...mail } }),
  "twilio.sendgrid": (apiUrl) => ({
    properties: { apiUrl, apiKey: "hush", ...mail },
  }),
  commercetools: (url) => ({
    properties: {
      ...{ region: "europe-west1", provider: "gcp", projectKey: "shop", clientID: "client" },
      ...{ clientSecret: "hush", scopes: "view_products:shop", apiUrl: url, authUrl: url },
    },
    data: '{"commercetoolsAPI":"GraphQLQuery","query":"{ a }"}',
  }),
  "huawei.obs": (endpoint) => ({
    properties: { endpoint, accessKey: "id", secretKey: "hush", bucket: "orders" },
  }),
};

/** They ask for the host of a project, which no certificate of an address can name: looked at once the chain is trusted. */
const othersNames = new Set(["alicloud.sls"]);

/** Their own tests show it: they speak AMQP, or HTTP/2. */
const elsewhere = new Set(["apns", "azure.eventhubs", "azure.servicebus.queues", "rocketmq"]);

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

/** How many requests come to a server that refuses all, from an output with these properties more; and what is said. */
async function asked(binding: AnyBinding, more: Record<string, string>) {
  const { cert, key: serverKey } = certificates.server;
  await using server = await startLoopback(
    (_received, response) => void response.writeHead(403).end(),
    (listener) => createServer({ cert, key: serverKey }, listener),
    "https",
  );
  const make = outputs[binding.name];
  if (make === undefined) throw new Error(`there is no case of ${binding.name}`);
  const { properties, operation = "create", request = {}, data = order } = make(server.url);
  let said = "";
  try {
    await using output = await openOutput(binding, { ...properties, ...more });
    await output.invoke(operation, { ...request }, { data });
  } catch (error) {
    said = String(error);
  }
  return { requests: server.received.length, said };
}

const withField = bindings.filter(({ metadata }) => metadata["caCert"] === caCertField.caCert);

test("each type with the field has a case", () => {
  const names = withField.map(({ name }) => name).filter((name) => !elsewhere.has(name));
  expect(names.toSorted()).toEqual(Object.keys(outputs).toSorted());
});

test.each(withField.filter(({ name }) => !elsewhere.has(name)))(
  "$name trusts the authorities of caCert, and without it nobody unknown",
  async (binding) => {
    const unknown = await asked(binding, {});
    expect(unknown.requests).toBe(0);
    expect(unknown.said).toMatch(
      /unable to verify|certificate signed by unknown|self-signed|unknown authority/,
    );
    for (const caCert of [certificates.ca, certificates.caPath]) {
      const { requests, said } = await asked(binding, { caCert });
      if (othersNames.has(binding.name)) expect(said).toMatch(/altnames/);
      else expect(requests, said).toBeGreaterThan(0);
    }
  },
);
