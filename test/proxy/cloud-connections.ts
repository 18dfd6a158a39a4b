import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import secretStoreOfAws from "../../src/secret-stores/aws/aws.secretmanager/index.ts";
import parameterStore from "../../src/secret-stores/aws/aws.parameterstore/index.ts";
import keyVault from "../../src/secret-stores/azure.keyvault/index.ts";
import secretManager from "../../src/secret-stores/gcp.secretmanager/index.ts";
import vault from "../../src/secret-stores/hashicorp.vault/index.ts";
import { clientCredentials } from "../../src/oauth/client-credentials.ts";
import type { AnySecretStore } from "../../src/secret-store.ts";
import { openOutput } from "../bindings/opened-output.ts";
import { order, outputsAt, type OutputAt } from "../bindings/outputs-at.ts";
import { accountFields } from "../identity/gcp/key.ts";
import { openStore } from "../secret-stores/open.ts";

/** The host that all of them are below. */
export const cloud = "cloud.example";

export type CloudConnection = {
  readonly what: string;
  /** What it says first on a connection: the protocol. */
  readonly says: RegExp;
  /** Below which host, where there are several. */
  readonly host?: string;
  /** Connects to a port of hosts below {@link cloud}; rejects with the refusal. */
  readonly connect: (port: number) => Promise<unknown>;
};

const http1 = /^[A-Z]+ \/\S* HTTP\/1\.1\r\n/;
const http2 = /^PRI \* HTTP\/2\.0/;
const amqp = /^AMQP/;
const keys = { accessKey: "id", secretKey: "hush", region: "eu-central-1" };
const google = { ...accountFields, projectID: "shop" };
const sharedKey = "SharedAccessKeyName=shop;SharedAccessKey=aHVzaA==";
const application = {
  ...{ azureTenantId: "tenant", azureClientId: "shop", azureClientSecret: "hush" },
};

const urlOf = (name: string, port: number): string => `https://${name}.${cloud}:${port}`;
const namespaceOf = (port: number): string => `Endpoint=sb://hub.${cloud}:${port}/;${sharedKey}`;

/** Those that `outputsAt` has not, which is for types with the common field `caCert`. */
const others: Record<string, (url: string, port: number) => OutputAt> = {
  "aws.dynamodb": (endpoint) => ({ properties: { ...keys, endpoint, table: "orders" } }),
  "aws.kinesis": (endpoint) => ({
    properties: { ...keys, endpoint, streamName: "orders" },
    request: { partitionKey: "a" },
  }),
  "aws.s3": (endpoint) => ({ properties: { ...keys, endpoint, bucket: "orders" } }),
  "aws.ses": (endpoint) => ({
    properties: {
      ...keys,
      endpoint,
      emailFrom: "a@x.example",
      emailTo: "b@x.example",
      subject: "",
    },
  }),
  "aws.sns": (endpoint) => ({
    properties: { ...keys, endpoint, topicArn: "arn:aws:sns:eu-central-1:123456789012:orders" },
  }),
  "aws.sqs": (endpoint) => ({ properties: { ...keys, endpoint, queueName: "orders" } }),
  "gcp.bucket": (endpoint) => ({ properties: { ...google, endpoint, bucket: "orders" } }),
  "gcp.pubsub": (endpoint) => ({
    properties: { ...google, endpoint, topic: "orders" },
  }),
  "azure.eventhubs": (_, port) => ({
    properties: { connectionString: namespaceOf(port), eventHub: "orders" },
  }),
  "azure.servicebus.queues": (_, port) => ({
    properties: {
      ...{ connectionString: namespaceOf(port), queueName: "orders" },
      disableEntityManagement: "true",
    },
  }),
  "azure.cosmosdb.gremlinapi": (url) => ({
    properties: {
      ...{ url: url.replace("https", "wss"), username: "/dbs/shop/colls/orders" },
      masterKey: "aHVzaA==",
    },
    operation: "query",
    data: '{"gremlin":"g.V()"}',
  }),
};

const saysOther: Record<string, RegExp> = {
  "gcp.pubsub": http2,
  "azure.eventhubs": amqp,
  "azure.servicebus.queues": amqp,
};

/** They speak HTTP/2 to hosts of the vendor alone, or are no service of a cloud. */
const isOfCloud = ({ name }: AnyBinding): boolean =>
  /^(aws|azure|gcp|alicloud|cloudflare|huawei)\./.test(name) || name in outputsAt;

async function send(binding: AnyBinding, at: OutputAt): Promise<void> {
  const { properties, operation = "create", request = {}, data = order } = at;
  await using output = await openOutput(binding, properties);
  await output.invoke(operation, { ...request }, { data });
}

const types: readonly CloudConnection[] = bindings.filter(isOfCloud).map((binding) => ({
  what: binding.name,
  says: saysOther[binding.name] ?? http1,
  connect: async (port) => {
    const make = others[binding.name] ?? outputsAt[binding.name];
    if (make === undefined) throw new Error(`there is no case of ${binding.name}`);
    await send(binding, make(urlOf("service", port), port));
  },
}));

function typeNamed(name: string): AnyBinding {
  const found = bindings.find((binding) => binding.name === name);
  if (found === undefined) throw new Error(`there is no type ${name}`);
  return found;
}

const overWebSockets = ["azure.eventhubs", "azure.servicebus.queues"].map((name) => ({
  what: `${name} over WebSockets`,
  says: /^GET \/\$servicebus\/websocket HTTP\/1\.1\r\n/,
  connect: (port: number) => {
    const { properties } = others[name]?.("", port) ?? { properties: {} };
    return send(typeNamed(name), { properties: { ...properties, transport: "websockets" } });
  },
}));

/** Where another host is asked before the service. */
const logIns: readonly CloudConnection[] = [
  {
    ...{ what: "Entra ID", says: http1, host: "login" },
    connect: (port) =>
      send(typeNamed("azure.eventgrid"), {
        properties: {
          ...{ topicEndpoint: urlOf("service", port), ...application },
          azureAuthorityHost: urlOf("login", port),
        },
      }),
  },
  {
    ...{ what: "Google's tokens", says: http1, host: "login" },
    connect: (port) =>
      send(typeNamed("gcp.bucket"), {
        properties: {
          ...{ ...google, bucket: "orders", endpoint: urlOf("service", port) },
          tokenURI: `${urlOf("login", port)}/token`,
        },
      }),
  },
  {
    // AWS_ENDPOINT_URL_STS of the environment leads to it.
    ...{ what: "AWS's security token service", says: http1, host: "login" },
    connect: (port) => {
      return send(typeNamed("aws.sqs"), {
        properties: {
          ...{ ...keys, queueName: "orders", endpoint: urlOf("service", port) },
          assumeRoleArn: "arn:aws:iam::123456789012:role/shop",
        },
      });
    },
  },
  {
    ...{ what: "entity management of azure.servicebus.queues", says: http1 },
    connect: (port) => {
      const connectionString = namespaceOf(port);
      const managementUrl = urlOf("service", port);
      const properties = { connectionString, managementUrl, queueName: "orders" };
      return send(typeNamed("azure.servicebus.queues"), { properties });
    },
  },
  {
    ...{ what: "any OAuth server", says: http1, host: "login" },
    connect: async (port) => {
      const ask = clientCredentials({
        ...{ endpoint: `${urlOf("login", port)}/token`, clientId: "shop", scopes: [] },
        prove: async () => ({ client_secret: "hush" }),
        hide: undefined,
      });
      await ask(AbortSignal.timeout(10_000));
    },
  },
];

function reading(
  what: string,
  type: AnySecretStore,
  properties: (port: number) => Record<string, string>,
  host?: string,
): CloudConnection {
  const connect = (port: number): Promise<unknown> => openStore(type, properties(port)).read("db");
  return { what, says: http1, connect, ...(host === undefined ? {} : { host }) };
}

const stores: readonly CloudConnection[] = [
  reading("aws.secretmanager", secretStoreOfAws, (port) => ({
    ...{ ...keys, endpoint: urlOf("service", port) },
  })),
  reading("aws.parameterstore", parameterStore, (port) => ({
    ...{ ...keys, endpoint: urlOf("service", port) },
  })),
  reading(
    "azure.keyvault",
    keyVault,
    (port) => ({
      ...{ vaultName: "shop", vaultUri: urlOf("service", port), ...application },
      azureAuthorityHost: urlOf("login", port),
    }),
    "login",
  ),
  reading("gcp.secretmanager", secretManager, (port) => ({
    ...{ ...google, endpoint: urlOf("service", port) },
  })),
  reading("hashicorp.vault", vault, (port) => ({
    ...{ vaultAddr: urlOf("service", port), vaultToken: "hush" },
  })),
];

/** Every type, log-in and secret store of a cloud. */
export const cloudConnections: readonly CloudConnection[] = [
  ...types.filter(({ what }) => what !== "apns" && what !== "rocketmq"),
  ...overWebSockets,
  ...logIns,
  ...stores,
];
