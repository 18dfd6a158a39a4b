import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, afterEach, expect, onTestFinished, test, vi } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import { avroEncoder } from "../../src/bindings/kafka/avro.ts";
import { kafkaFields } from "../../src/bindings/kafka/fields.ts";
import { parseFields } from "../../src/metadata/parse.ts";
import type { Fields } from "../../src/metadata/fields.ts";
import { BindingError } from "../../src/errors.ts";
import { secretsOf, withoutSecrets } from "../../src/secrets.ts";
import { createHttpEndpoints } from "../../src/server/http-endpoints.ts";
import { FakeApp, handled } from "../runtime/fake-app.ts";
import { component, FakeSystem, startRuntime } from "../runtime/fake-binding.ts";
import { sourceEvent } from "../runtime/source-event.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { startNamespace } from "./azure/namespace.ts";
import { echoingAmqp1 } from "./amqp/echoing-server.ts";
import { echoingGremlin } from "./azure/azure.cosmosdb.gremlinapi/echoing-server.ts";
import { startLoopback } from "./http/loopback-server.ts";
import { makeCertificates } from "./certificates.ts";
import { errorPacket, startStandIn, switchPacket } from "./mysql/stand-in.ts";
import {
  echoingAmqp,
  echoingGrpc,
  echoingHttp,
  echoingImap,
  echoingKafka,
  echoingNats,
  echoingMqtt5,
  echoingPostgres,
  echoingRedis,
  echoingSmtp,
  echoingWebSocket,
  refusingMqtt,
  type EchoingServer,
  type Spelling,
} from "./echoing-servers.ts";
import { accountFields } from "../identity/gcp/key.ts";
import { startStandIn as startSftp } from "./sftp/stand-in.ts";

/** With characters that each way of writing writes differently. */
const canary = "cAn4ry/+?~ 7Qz=x&-_9";

const spellings: Readonly<Record<string, Spelling>> = {
  "as it is": (text) => text,
  base64: (text) => Buffer.from(text).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
  "percent-encoded": (text) => encodeURIComponent(text),
  "in a form": (text) => new URLSearchParams({ "": text }).toString().slice(1),
};

/** All that must not be seen anywhere: of base64 also what stays the same wherever the text begins. */
function writingsOf(text: string): string[] {
  const shifted = [0, 1, 2].map((before) =>
    Buffer.from("x".repeat(before) + text)
      .toString("base64")
      .slice(before === 0 ? 0 : before + 1, -4),
  );
  const url = shifted.map((one) => one.replaceAll("+", "-").replaceAll("/", "_"));
  const percent = [encodeURIComponent(text), new URLSearchParams({ "": text }).toString().slice(1)];
  return [
    text,
    ...shifted,
    ...url,
    ...percent,
    ...percent.map((one) => one.replace(/%../g, (code) => code.toLowerCase())),
  ];
}

const certificates = makeCertificates();
afterAll(() => certificates.remove());
afterEach(() => vi.unstubAllEnvs());

type Seen = {
  /** What the server has said of what it was sent; `undefined`: nothing is sent. */
  readonly server?: EchoingServer;
  readonly properties: Record<string, string>;
  /** Run in place of an invocation; resolves to what it shows. */
  readonly run?: (secrets: string[]) => Promise<unknown>;
  /** The protocol has no text for a refusal, or the binding quotes none. */
  readonly silent?: true;
  /** What the first operation is given; `data` unless said otherwise. */
  readonly data?: string;
  readonly metadata?: Record<string, string>;
};

type Case = (spelling: Spelling, wanted: (text: string) => boolean) => Seen | Promise<Seen>;

const address = ({ host, port }: EchoingServer): string => `${host}:${port}`;
const http = ({ port }: EchoingServer): string => `http://127.0.0.1:${port}`;
const key = canary;

const redis =
  (field: string, more: Record<string, string> = {}): Case =>
  async (spelling, wanted) => {
    const server = await echoingRedis(wanted, spelling);
    return { server, properties: { redisHost: address(server), [field]: canary, ...more } };
  };

const objects =
  (keys: Record<string, string>): Case =>
  async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    return {
      server,
      properties: { endpoint: http(server), bucket: "orders", ...keys },
      silent: true,
    };
  };

/** DingTalk that says in its refusal what it was sent. */
const robot =
  (place: (url: string) => Record<string, string>): Case =>
  async (spelling) => {
    const echoed: string[] = [];
    const server = await startLoopback(({ url = "" }, response) => {
      const { searchParams } = new URL(url, "http://robot");
      const said = [...searchParams.values()].map(spelling).join(" ");
      echoed.push(said);
      response.end(JSON.stringify({ errcode: 300001, errmsg: said }));
    });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const properties = { id: "a", direction: "output", ...place(server.url) };
    return { server: { host: "127.0.0.1", port: server.port, echoed }, properties };
  };

const zeebe =
  (type: string): Case =>
  async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const gateway = await echoingGrpc(() => false, spelling);
    const properties = {
      ...{ gatewayAddr: address(gateway), usePlainTextConnection: "true", clientSecret: canary },
      ...{ clientId: "shop", tokenAudience: "zeebe", authorizationServerUrl: http(server) },
    };
    // A worker asks for its token when it takes jobs.
    if (type === "zeebe.jobworker") return { properties: { ...properties, jobType: "a" } };
    return { server, properties };
  };

const streams = (field: string, more: Record<string, string> = {}): Case =>
  redis(field, { ...more, stream: "orders", direction: "output" });

const kafka =
  (properties: Record<string, string>): Case =>
  async (spelling, wanted) => {
    const server = await echoingKafka(wanted, spelling);
    return { server, properties: { brokers: address(server), disableTls: "true", ...properties } };
  };

const mqtt5 =
  (properties: (server: EchoingServer) => Record<string, string>): Case =>
  async (spelling, wanted) => {
    const server = await echoingMqtt5(wanted, spelling);
    const all = { topic: "orders", consumerID: "shop", ...properties(server) };
    return { server, properties: all };
  };

/** What is sent to a namespace is signatures and tokens, never what they are made from. */
const azureMessaging = (
  type: string,
  namespaceField: string,
  more: Record<string, string>,
): Record<string, Case> => {
  const entra = {
    ...{ azureTenantId: "shop", azureClientId: "shop", azureAuthorityHost: "http://127.0.0.1:1" },
    ...{ [namespaceField]: "127.0.0.1:1", ...more },
  };
  const access = `SharedAccessKeyName=shop;SharedAccessKey=${canary}`;
  const connectionString = `Endpoint=sb://127.0.0.1:1;${access};UseDevelopmentEmulator=true`;
  return {
    [`${type}.connectionString`]: () => ({ properties: { connectionString, ...more } }),
    [`${type}.azureClientSecret`]: () => ({ properties: { azureClientSecret: canary, ...entra } }),
    [`${type}.azureCertificate`]: () => ({ properties: { azureCertificate: canary, ...entra } }),
    [`${type}.azureCertificatePassword`]: () => ({
      properties: { azureCertificate: "bm9uZQ==", azureCertificatePassword: canary, ...entra },
    }),
  };
};
/** The fields by which a component logs in to Entra ID; `more` is what it needs beside them. */
function entra(
  type: string,
  more: () => Record<string, string> | Promise<Record<string, string>>,
  data = "data",
): Record<string, Case> {
  const client = { azureTenantId: "tenant", azureClientId: "shop" };
  return {
    [`${type}.azureClientSecret`]: async (spelling, wanted) => {
      const server = await echoingHttp(wanted, spelling);
      const azureAuthorityHost = http(server);
      const login = { ...client, azureClientSecret: canary, azureAuthorityHost };
      return { server, properties: { ...(await more()), ...login }, data, silent: true };
    },
    [`${type}.azureCertificate`]: async () => ({
      properties: { ...(await more()), ...client, azureCertificate: canary },
    }),
    [`${type}.azureCertificatePassword`]: async () => ({
      properties: {
        ...{ ...(await more()), ...client, azureCertificate: certificates.client.cert },
        azureCertificatePassword: canary,
      },
    }),
  };
}

/** The token's server is asked during a login at the broker. */
const kafkaToken =
  (properties: (url: string) => Record<string, string>): Case =>
  async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const broker = address(await echoingKafka(() => false, spelling));
    return {
      server,
      properties: { brokers: broker, disableTls: "true", ...properties(http(server)) },
    };
  };

const kafkaEntra =
  (secrets: Record<string, string>): Case =>
  async (spelling) => {
    const brokers = address(await echoingKafka(() => false, spelling));
    const login = { authType: "entraid", azureTenantId: "tenant", azureClientId: "shop" };
    return { properties: { brokers, disableTls: "true", ...login, ...secrets } };
  };

const nats =
  (properties: (at: string) => Record<string, string>): Case =>
  async (spelling, wanted) => {
    const server = await echoingNats(wanted, spelling);
    const given = { servers: `nats://${address(server)}`, ...properties(address(server)) };
    return { server, properties: { direction: "output", subject: "orders", ...given } };
  };

const awsPlaces = {
  "aws.s3": { bucket: "orders", forcePathStyle: "true" },
  "aws.dynamodb": { table: "orders" },
  "aws.kinesis": { streamName: "orders", direction: "output" },
  "aws.ses": { emailFrom: "a@example.org", emailTo: "b@example.org", subject: "s" },
  "aws.sns": { topicArn: "arn:aws:sns:us-east-1:123456789012:orders" },
  "aws.sqs": { queueName: "orders", queueOwnerAccountId: "123456789012", direction: "output" },
};

const aws =
  (type: keyof typeof awsPlaces, field: string): Case =>
  async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const place = awsPlaces[type];
    const keys = { accessKey: "AKID", secretKey: "other", [field]: canary };
    // The key itself is not sent.
    const shown = field === "secretKey" ? {} : { server };
    return { ...shown, properties: { endpoint: http(server), ...place, ...keys } };
  };

const webhook =
  (field: string): Case =>
  () => {
    const properties = {
      address: "127.0.0.1:0",
      path: "/hook",
      verification: "github",
      secret: "another",
      [field]: canary,
    };
    return { properties };
  };

/** The server that gives tokens is asked at the opening; a JWT of the key's carries its id. */
function googleKey(changed: Readonly<Record<string, string>>): Case {
  return async (spelling, wanted) => {
    const isSigned = "privateKeyID" in changed;
    const idOf = (text: string): string =>
      Buffer.from(/assertion=([^.]+)/.exec(text)?.[1] ?? "", "base64url").toString();
    const server = await echoingHttp((text) => wanted(text) || wanted(idOf(text)), spelling);
    const properties = {
      ...{ ...accountFields, tokenURI: `${http(server)}/token`, projectID: "shop" },
      ...{ topic: "orders", direction: "output", endpoint: "http://127.0.0.1:1", bucket: "orders" },
    };
    return {
      ...(isSigned ? { server } : {}),
      properties: { ...properties, ...changed },
      silent: true,
    };
  };
}

/** An input that is refused while it reads. */
function reading(
  name: string,
  properties: (server: EchoingServer) => Record<string, string>,
): Case {
  return async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const values = properties(server);
    const run = (secrets: string[]) => shownReading(name, values, secrets, server);
    return { server, properties: values, run, silent: true };
  };
}

/** Lets a component read until the server has said something, and its state does; resolves to all that is shown of it. */
async function shownReading(
  name: string,
  properties: Record<string, string>,
  secrets: string[],
  server: EchoingServer,
): Promise<unknown> {
  const binding = bindings.find((one) => one.name === name)!;
  const started = startRuntime({ bindings: [binding], app: new FakeApp(() => handled) });
  const resolve = async () => ({ values: { ...properties, direction: "input" }, secrets });
  await started.runtime.apply([component(name, {}, { resolve })]);
  await vi.waitFor(() => expect(server.echoed.length).toBeGreaterThan(0));
  await vi.waitFor(() => expect(started.status().reason).not.toBe(""));
  return [started.runtime.components(), started.lines];
}

/** A log-in that is not built takes none of its fields. */
const unreachableSftp = {
  ...{ address: "127.0.0.1:1", username: "shop", insecureIgnoreHostKey: "true" },
};

const postgresPlace = ({ host, port }: EchoingServer) => ({
  host,
  port: String(port),
  user: "shop",
});

/** The server is sent what the keys sign, with the id of the access key and the session's token. */
const postgresIam =
  (field: "accessKey" | "secretKey" | "sessionToken"): Case =>
  async (spelling) => {
    const server = await echoingPostgres(() => true, spelling);
    const keys = { accessKey: "other", secretKey: "other", [field]: canary };
    const login = { useAWSIAM: "true", region: "eu-west-1", ...keys };
    return { server, properties: { ...postgresPlace(server), ...login } };
  };

/** A password is proved and not sent (SCRAM), a key is not sent either: there is nothing to echo. */
const rethinkdb =
  (field: string): Case =>
  () => ({
    properties: { address: "127.0.0.1:1", database: "shop", table: "orders", [field]: canary },
  });

const askedModel = JSON.stringify({ deploymentID: "d", messages: [{ role: "user" }] });

/** How each sensitive field of each binding is used in vain. */
const cases: Readonly<Record<string, Case>> = {
  "http.securityToken": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    return {
      server,
      properties: { url: http(server), securityToken: canary, securityTokenHeader: "X-Token" },
    };
  },
  "http.header:": reading("http", (server) => ({
    url: http(server),
    "header:Authorization": canary,
  })),
  "sse.header:": reading("sse", (server) => ({
    url: http(server),
    "header:Authorization": canary,
  })),
  "sse.clientKey": () => ({
    properties: {
      url: "https://127.0.0.1:1",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "websocket.header:": reading("websocket", (server) => ({
    url: http(server).replace("http:", "ws:"),
    "header:Authorization": canary,
  })),
  "websocket.openingMessage:": async (spelling, wanted) => {
    const server = await echoingWebSocket(wanted, spelling);
    const properties = { url: `ws://${address(server)}`, "openingMessage:1": canary };
    const run = (secrets: string[]) => shownReading("websocket", properties, secrets, server);
    return { server, properties, run };
  },
  "websocket.clientKey": () => ({
    properties: {
      url: "wss://127.0.0.1:1",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "graphql.header:": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const properties = { endpoint: http(server), "header:Authorization": canary };
    const metadata = { query: "query { droid { id } }" };
    return { server, properties, metadata, silent: true };
  },
  "exec.env:": (spelling) => {
    const args = JSON.stringify(["-c", 'echo "$0" >&2; exit 1', spelling(canary)]);
    return { properties: { command: "/bin/sh", args, "env:TOKEN": canary } };
  },
  "gcp.bucket.privateKey": googleKey({ privateKey: canary }),
  "gcp.bucket.privateKeyID": googleKey({ privateKeyID: canary }),
  "gcp.pubsub.privateKey": googleKey({ privateKey: canary }),
  "gcp.pubsub.privateKeyID": googleKey({ privateKeyID: canary }),
  "rocketmq.accessKey": () => ({
    properties: {
      ...{ proxyEndpoint: "127.0.0.1:1", topics: "orders", direction: "output" },
      ...{ accessKey: canary, secretKey: "other" },
    },
  }),
  "rocketmq.secretKey": async (spelling, wanted) => {
    const server = await echoingGrpc(wanted, spelling);
    const login = { accessKey: "shop", secretKey: canary };
    const properties = { proxyEndpoint: address(server), topics: "orders", ...login };
    // What is sent is a signature, never what it is made with.
    return { server, properties: { ...properties, direction: "output" }, silent: true };
  },
  "rocketmq.securityToken": async (spelling, wanted) => {
    const server = await echoingGrpc(wanted, spelling);
    const login = { accessKey: "shop", secretKey: "other", securityToken: canary };
    const properties = { proxyEndpoint: address(server), topics: "orders", ...login };
    return { server, properties: { ...properties, direction: "output" } };
  },
  "grpc.header:": async (spelling, wanted) => {
    const server = await echoingGrpc(wanted, spelling);
    const properties = { address: address(server), "header:authorization": canary };
    return { server, properties };
  },
  "grpc.clientKey": () => ({
    properties: {
      address: "https://127.0.0.1:1",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "imap.password": async (spelling, wanted) => {
    const server = await echoingImap(wanted, spelling);
    return { server, properties: { ...mailboxOf(server), password: canary } };
  },
  "kubemq.authToken": async (spelling, wanted) => {
    const server = await echoingGrpc(wanted, spelling);
    const properties = { address: address(server), channel: "orders", authToken: canary };
    return { server, properties: { ...properties, direction: "output" } };
  },
  "zeebe.command.clientSecret": zeebe("zeebe.command"),
  "zeebe.jobworker.clientSecret": zeebe("zeebe.jobworker"),
  "imap.oidcClientSecret": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const token = { oidcTokenEndpoint: http(server), oidcClientID: "shop" };
    const properties = { ...mailboxOf({ host: "127.0.0.1", port: 1 }), ...token };
    return { server, properties: { ...properties, authType: "oidc", oidcClientSecret: canary } };
  },
  "imap.clientKey": () => ({
    properties: {
      ...{ host: "127.0.0.1", port: "1", username: "shop", password: "other" },
      ...{ clientCert: certificates.client.cert, clientKey: key },
    },
  }),
  ...entra("azure.blobstorage", () => ({
    ...{ accountName: "shop", containerName: "orders", endpoint: "http://127.0.0.1:1" },
  })),
  "azure.blobstorage.accountKey": () => ({
    properties: {
      ...{ accountName: "shop", containerName: "orders", endpoint: "http://127.0.0.1:1" },
      accountKey: canary,
    },
  }),
  "azure.blobstorage.connectionString": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const signature = `sv=2021-12-02&sig=${encodeURIComponent(canary)}`;
    const connectionString = `BlobEndpoint=${http(server)};SharedAccessSignature=${signature}`;
    return { server, properties: { connectionString, containerName: "orders" }, silent: true };
  },
  "azure.blobstorage.notificationConnectionString": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const signature = `sv=2021-12-02&sig=${encodeURIComponent(canary)}`;
    return {
      ...{ server, silent: true },
      properties: {
        ...{ accountName: "shop", accountKey: "c2hvcA==", containerName: "orders" },
        ...{ endpoint: http(server), disableEntityManagement: "true", notificationQueue: "new" },
        direction: "input",
        notificationConnectionString: `QueueEndpoint=${http(server)};SharedAccessSignature=${signature}`,
      },
    };
  },
  ...entra("azure.storagequeues", () => ({
    ...{ accountName: "shop", queueName: "orders", endpoint: "http://127.0.0.1:1" },
  })),
  "azure.storagequeues.accountKey": () => ({
    properties: {
      ...{ accountName: "shop", queueName: "orders", endpoint: "http://127.0.0.1:1" },
      accountKey: canary,
    },
  }),
  ...entra("azure.cosmosdb", () => ({
    ...{ url: "http://127.0.0.1:1", database: "shop", collection: "orders", partitionKey: "id" },
  })),
  "azure.cosmosdb.masterKey": () => ({
    properties: {
      ...{ url: "http://127.0.0.1:1", database: "shop", collection: "orders", partitionKey: "id" },
      masterKey: canary,
    },
  }),
  "azure.cosmosdb.gremlinapi.masterKey": async (spelling, wanted) => {
    const server = await echoingGremlin(wanted, spelling);
    const properties = {
      url: `ws://${server.host}:${server.port}`,
      username: "/dbs/shop",
      masterKey: canary,
    };
    return { server, properties, data: JSON.stringify({ gremlin: "g.V()" }) };
  },
  ...entra("azure.openai", () => ({ endpoint: "http://127.0.0.1:1" }), askedModel),
  "azure.openai.apiKey": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const properties = { endpoint: http(server), apiKey: canary };
    return { server, properties, data: askedModel };
  },
  ...entra("azure.eventgrid", () => ({
    ...{ topicEndpoint: "http://127.0.0.1:1/api/events", direction: "output" },
  })),
  "azure.eventgrid.accessKey": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const topicEndpoint = `${http(server)}/api/events`;
    return { server, properties: { topicEndpoint, accessKey: canary, direction: "output" } };
  },
  ...entra("azure.signalr", () => ({ endpoint: "http://127.0.0.1:1", hub: "orders" })),
  "azure.signalr.accessKey": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const properties = { endpoint: http(server), hub: "orders", accessKey: canary };
    return { server, properties, silent: true };
  },
  "azure.signalr.connectionString": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const connectionString = `Endpoint=${http(server)};AccessKey=${canary};Version=1.0;`;
    return { server, properties: { connectionString, hub: "orders" }, silent: true };
  },
  "cloudflare.queues.key": () => ({
    properties: {
      ...{ queueName: "orders", workerName: "shop", workerUrl: "http://127.0.0.1:1" },
      key: canary,
    },
  }),
  "cloudflare.queues.cfAPIToken": () => ({
    properties: {
      ...{ queueName: "orders", workerName: "shop", key: "other" },
      ...{ cfAPIToken: canary, cfAccountID: "account" },
    },
  }),
  "influx.token": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const data = JSON.stringify({ measurement: "m", tags: "", values: "v=1" });
    const properties = { url: http(server), token: canary, org: "shop", bucket: "orders" };
    return { server, properties, data };
  },
  "mysql.url": async (spelling, wanted) => {
    const echoed: string[] = [];
    const server = await startStandIn((payload, number) => {
      // The first is the login; the second has the password in clear, which the server has asked for.
      if (number === 2) return switchPacket(number, "mysql_clear_password");
      const said = [payload.subarray(0, -1).toString()].filter(wanted).map(spelling).join(" ");
      echoed.push(said);
      return errorPacket(number, 1045, `not with ${said}`);
    });
    const url = `shop:${canary}@tcp(${server.host}:${server.port})/shop?allowCleartextPasswords=true`;
    return {
      server: { ...server, echoed },
      properties: { url },
      metadata: { sql: "SELECT 1" },
    };
  },
  "postgres.connectionString": async (spelling, wanted) => {
    const server = await echoingPostgres(wanted, spelling);
    const url = `postgres://shop:${encodeURIComponent(canary)}@${address(server)}/shop`;
    return { server, properties: { connectionString: url }, metadata: { sql: "SELECT 1" } };
  },
  "postgres.password": async (spelling, wanted) => {
    const server = await echoingPostgres(wanted, spelling);
    const properties = { host: server.host, port: String(server.port), user: "shop" };
    const metadata = { sql: "SELECT 1" };
    return { server, properties: { ...properties, password: canary }, metadata };
  },
  ...entra("postgres", async () => {
    const server = await echoingPostgres(() => false, String);
    return { ...postgresPlace(server), useAzureAD: "true" };
  }),
  "postgres.accessKey": postgresIam("accessKey"),
  "postgres.secretKey": postgresIam("secretKey"),
  "postgres.sessionToken": postgresIam("sessionToken"),
  "smtp.password": async (spelling, wanted) => {
    const server = await echoingSmtp(wanted, spelling);
    const properties = { ...mailFrom(server), user: "shop", password: canary };
    return { server, properties, silent: true };
  },
  "smtp.dkimPrivateKey": () => ({
    properties: {
      ...mailFrom({ host: "127.0.0.1", port: 1 }),
      dkimDomain: "example.org",
      dkimSelector: "mail",
      dkimPrivateKey: key,
    },
  }),
  "http.MTLSClientKey": () => ({
    properties: {
      url: "https://127.0.0.1:1",
      MTLSClientCert: certificates.client.cert,
      MTLSClientKey: key,
    },
  }),
  "apns.private-key": () => ({
    properties: { "key-id": "ABC123DEFG", "team-id": "DEF123GHIJ", "private-key": canary },
    metadata: { "device-token": "abc" },
  }),
  "commercetools.clientSecret": async (spelling) => {
    const echoed: string[] = [];
    // It is encoded before it is put into Basic.
    const server = await startLoopback(({ headers }, response) => {
      const proof = headers.authorization?.replace("Basic ", "") ?? "";
      const [, password = ""] = Buffer.from(proof, "base64").toString().split(":");
      const said = spelling(new URLSearchParams(`a=${password}`).get("a") ?? "");
      echoed.push(said);
      response.writeHead(401).end(JSON.stringify({ error: said }));
    });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const project = { region: "europe-west1", provider: "gcp", projectKey: "shop" };
    const client = { clientID: "client", clientSecret: canary, scopes: "manage_project:shop" };
    return {
      server: { host: "127.0.0.1", port: server.port, echoed },
      properties: { ...project, ...client, apiUrl: server.url, authUrl: server.url },
      data: JSON.stringify({ commercetoolsAPI: "GraphQLQuery", query: "{ a }" }),
    };
  },
  "postmark.serverToken": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling, (said) => ({ Message: said }));
    const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
    return { server, properties: { ...mail, serverToken: canary, apiUrl: http(server) } };
  },
  "postmark.accountToken": () => ({
    properties: { serverToken: "other", accountToken: canary, apiUrl: "http://127.0.0.1:1" },
  }),
  "twilio.sendgrid.apiKey": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling, (said) => ({ errors: [{ message: said }] }));
    const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
    return { server, properties: { ...mail, apiKey: canary, apiUrl: http(server) } };
  },
  "twilio.sms.authToken": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const account = { accountSid: "AC1", authToken: canary, fromNumber: "+1", toNumber: "+2" };
    return { server, properties: { ...account, apiUrl: http(server) } };
  },
  "rethinkdb.statechange.password": rethinkdb("password"),
  "rethinkdb.statechange.authKey": rethinkdb("authKey"),
  "rethinkdb.statechange.clientKey": rethinkdb("clientKey"),
  "redis.redisPassword": redis("redisPassword", { redisUsername: "shop" }),
  "redis.sentinelPassword": redis("sentinelPassword", {
    failover: "true",
    sentinelMasterName: "primary",
    sentinelUsername: "shop",
  }),
  "redis.clientKey": redis("clientKey", {
    enableTLS: "true",
    clientCert: certificates.client.cert,
  }),
  ...entra("redis", () => ({ redisHost: "127.0.0.1:1", useEntraID: "true" })),
  ...entra("redis.streams", () => ({
    ...{ redisHost: "127.0.0.1:1", useEntraID: "true" },
    ...{ stream: "orders", direction: "output" },
  })),
  "redis.oidcClientAssertionKey": () => ({
    properties: {
      redisHost: "127.0.0.1:1",
      useOIDC: "true",
      oidcTokenEndpoint: "http://127.0.0.1:1",
      oidcClientID: "shop",
      oidcClientAssertionCert: certificates.client.cert,
      oidcClientAssertionKey: key,
    },
  }),
  "amqp.url": async (spelling, wanted) => {
    const server = await echoingAmqp1(wanted, spelling);
    const url = `amqp://shop:${encodeURIComponent(canary)}@${address(server)}`;
    return { server, properties: { url, address: "orders" } };
  },
  "amqp.password": async (spelling, wanted) => {
    const server = await echoingAmqp1(wanted, spelling);
    const login = { username: "shop", password: canary };
    return {
      server,
      properties: { url: `amqp://${address(server)}`, address: "orders", ...login },
    };
  },
  ...azureMessaging("azure.servicebus.queues", "namespaceName", { queueName: "orders" }),
  ...azureMessaging("azure.eventhubs", "eventHubNamespace", { eventHub: "hub-1" }),
  "azure.eventhubs.storageConnectionString": async (spelling, wanted) => {
    const { connectionString } = await startNamespace();
    const signature = `sv=2021-12-02&sig=${encodeURIComponent(canary)}`;
    return reading("azure.eventhubs", (server) => ({
      ...{ connectionString, eventHub: "hub-1", consumerGroup: "shop" },
      storageConnectionString: `BlobEndpoint=${http(server)};SharedAccessSignature=${signature}`,
      storageContainerName: "checkpoints",
    }))(spelling, wanted);
  },
  "azure.eventhubs.storageAccountKey": async () => {
    const { connectionString } = await startNamespace();
    return {
      properties: {
        ...{ connectionString, eventHub: "hub-1", consumerGroup: "shop" },
        ...{ storageAccountName: "127", storageAccountKey: canary },
        storageContainerName: "checkpoints",
      },
    };
  },
  "amqp.clientKey": () => ({
    properties: {
      url: "amqps://127.0.0.1:1",
      address: "orders",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "redis.streams.redisPassword": streams("redisPassword", { redisUsername: "shop" }),
  "redis.streams.sentinelPassword": streams("sentinelPassword", {
    failover: "true",
    sentinelMasterName: "primary",
    sentinelUsername: "shop",
  }),
  "redis.streams.clientKey": streams("clientKey", {
    enableTLS: "true",
    clientCert: certificates.client.cert,
  }),
  "redis.streams.oidcClientAssertionKey": () => ({
    properties: {
      ...{ redisHost: "127.0.0.1:1", stream: "orders", direction: "output" },
      useOIDC: "true",
      oidcTokenEndpoint: "http://127.0.0.1:1",
      oidcClientID: "shop",
      oidcClientAssertionCert: certificates.client.cert,
      oidcClientAssertionKey: key,
    },
  }),
  "rabbitmq.host": async (spelling, wanted) => {
    const server = await echoingAmqp(wanted, spelling);
    const host = `amqp://shop:${encodeURIComponent(canary)}@${address(server)}`;
    return { server, properties: { host, queueName: "orders" } };
  },
  "rabbitmq.clientKey": () => ({
    properties: {
      host: "amqps://127.0.0.1:1",
      queueName: "orders",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "sftp.password": async (spelling, wanted) => {
    const echoed: string[] = [];
    const server = await startSftp({
      logIn(_method, secret) {
        if (wanted(secret)) echoed.push(spelling(secret));
        return true;
      },
      react: () => ({ status: 4, words: `not with ${echoed.join(" ")}` }),
    });
    const [host = "", port = ""] = server.address.split(":");
    const properties = { ...server.properties, password: canary };
    return {
      server: { host, port: Number(port), echoed },
      properties,
      metadata: { fileName: "a" },
    };
  },
  "sftp.privateKey": () => ({ properties: { ...unreachableSftp, privateKey: key } }),
  "sftp.privateKeyPassphrase": () => ({
    properties: {
      ...{ ...unreachableSftp, privateKeyPassphrase: canary },
      privateKey: certificates.client.key,
    },
  }),
  "mqtt3.url": async () => {
    const server = await refusingMqtt();
    const url = `mqtt://shop:${encodeURIComponent(canary)}@${address(server)}`;
    return { server, properties: { url, topic: "orders", consumerID: "shop" }, silent: true };
  },
  "mqtt3.clientKey": () => ({
    properties: {
      url: "mqtts://127.0.0.1:1",
      topic: "orders",
      consumerID: "shop",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "mqtt5.url": mqtt5((server) => ({
    url: `mqtt://shop:${encodeURIComponent(canary)}@${address(server)}`,
  })),
  "mqtt5.password": mqtt5((server) => ({
    ...{ url: `mqtt://${address(server)}`, username: "shop", password: canary },
  })),
  "mqtt5.clientKey": () => ({
    properties: {
      url: "mqtts://127.0.0.1:1",
      topic: "orders",
      consumerID: "shop",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "nats.servers": nats((at) => ({ servers: `nats://shop:${encodeURIComponent(canary)}@${at}` })),
  "nats.token": nats(() => ({ token: canary })),
  "nats.password": nats(() => ({ user: "shop", password: canary })),
  "nats.jwt": nats(() => ({ jwt: canary })),
  "nats.nkeySeed": () => ({ properties: { servers: "127.0.0.1:1", nkeySeed: canary } }),
  "nats.credentials": () => ({ properties: { servers: "127.0.0.1:1", credentials: canary } }),
  "nats.clientKey": () => ({
    properties: {
      servers: "tls://127.0.0.1:1",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "kafka.saslPassword": kafka({ authType: "password", saslUsername: "shop", saslPassword: canary }),
  "kafka.clientKey": () => ({
    properties: {
      brokers: "127.0.0.1:1",
      authType: "mtls",
      clientCert: certificates.client.cert,
      clientKey: key,
    },
  }),
  "kafka.oidcClientSecret": kafkaToken((url) => ({
    authType: "oidc",
    oidcTokenEndpoint: url,
    oidcClientID: "shop",
    oidcClientSecret: canary,
  })),
  "kafka.oidcClientAssertionKey": () => ({
    properties: {
      brokers: "127.0.0.1:1",
      authType: "oidc_private_key_jwt",
      oidcTokenEndpoint: "http://127.0.0.1:1",
      oidcClientID: "shop",
      oidcClientAssertionKey: key,
    },
  }),
  "kafka.azureClientSecret": kafkaToken((azureAuthorityHost) => ({
    ...{ authType: "entraid", azureTenantId: "tenant", azureClientId: "shop" },
    ...{ azureClientSecret: canary, azureAuthorityHost },
  })),
  "kafka.azureCertificate": kafkaEntra({ azureCertificate: canary }),
  "kafka.azureCertificatePassword": kafkaEntra({
    azureCertificate: certificates.client.cert,
    azureCertificatePassword: canary,
  }),
  "kafka.accessKey": kafkaToken((url) =>
    assumedRole(url, { accessKey: canary, secretKey: "other" }),
  ),
  "kafka.secretKey": async (spelling) => {
    const broker = address(await echoingKafka(() => false, spelling));
    const keys = { accessKey: "other", secretKey: canary, brokers: broker, disableTls: "true" };
    return { properties: assumedRole("http://127.0.0.1:1", keys) };
  },
  "kafka.sessionToken": kafkaToken((url) =>
    assumedRole(url, { accessKey: "other", secretKey: "other", sessionToken: canary }),
  ),
  "kafka.schemaRegistryAPISecret": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const properties = {
      brokers: "127.0.0.1:1",
      schemaRegistryURL: http(server),
      schemaRegistryAPIKey: "shop",
      schemaRegistryAPISecret: canary,
    };
    const run = async (secrets: string[]) => {
      const encode = avroEncoder(parseFields(kafkaFields, properties).values);
      const thrown: unknown = await encode("orders", Buffer.from("{}")).catch(
        (error: unknown) => error,
      );
      return withoutSecrets(BindingError.from(thrown), secretsOf(secrets).redact);
    };
    return { server, properties, run };
  },
  "aws.s3.accessKey": aws("aws.s3", "accessKey"),
  "aws.s3.secretKey": aws("aws.s3", "secretKey"),
  "aws.s3.sessionToken": aws("aws.s3", "sessionToken"),
  "aws.dynamodb.accessKey": aws("aws.dynamodb", "accessKey"),
  "aws.dynamodb.secretKey": aws("aws.dynamodb", "secretKey"),
  "aws.dynamodb.sessionToken": aws("aws.dynamodb", "sessionToken"),
  "aws.kinesis.accessKey": aws("aws.kinesis", "accessKey"),
  "aws.kinesis.secretKey": aws("aws.kinesis", "secretKey"),
  "aws.kinesis.sessionToken": aws("aws.kinesis", "sessionToken"),
  "aws.ses.accessKey": aws("aws.ses", "accessKey"),
  "aws.ses.secretKey": aws("aws.ses", "secretKey"),
  "aws.ses.sessionToken": aws("aws.ses", "sessionToken"),
  "alicloud.dingtalk.webhook.url": robot((url) => ({
    url: `${url}/robot/send?access_token=${encodeURIComponent(canary)}`,
  })),
  "alicloud.dingtalk.webhook.secret": robot((url) => ({ url, secret: canary })),
  "alicloud.dingtalk.webhook.appSecret": () => ({
    properties: { id: "a", url: "http://127.0.0.1:1", address: "127.0.0.1:0", appSecret: canary },
  }),
  "alicloud.oss.accessKey": objects({ accessKeyID: "id", accessKey: canary }),
  "alicloud.sls.accessKeySecret": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const place = { project: "shop", logstore: "orders", topic: "t", source: "s" };
    const account = { accessKeyID: "id", accessKeySecret: canary, direction: "output" };
    return {
      ...{ server, properties: { endpoint: http(server), ...account, ...place } },
      ...{ data: "{}", silent: true },
    };
  },
  "alicloud.tablestore.accessKey": async (spelling, wanted) => {
    const server = await echoingHttp(wanted, spelling);
    const login = { accessKeyID: "id", accessKey: canary, instanceName: "shop", tableName: "t" };
    const call = { metadata: { primaryKeys: "id" }, data: `{"id":"1"}` };
    return { server, properties: { endpoint: http(server), ...login }, ...call, silent: true };
  },
  "huawei.obs.accessKey": objects({ accessKey: canary, secretKey: "other" }),
  "huawei.obs.secretKey": objects({ accessKey: "id", secretKey: canary }),
  "aws.sns.accessKey": aws("aws.sns", "accessKey"),
  "aws.sns.secretKey": aws("aws.sns", "secretKey"),
  "aws.sns.sessionToken": aws("aws.sns", "sessionToken"),
  "aws.sqs.accessKey": aws("aws.sqs", "accessKey"),
  "aws.sqs.secretKey": aws("aws.sqs", "secretKey"),
  "aws.sqs.sessionToken": aws("aws.sqs", "sessionToken"),
  "webhook.secret": webhook("secret"),
  "webhook.secondarySecret": webhook("secondarySecret"),
};

function mailFrom({ host, port }: { host: string; port: number }): Record<string, string> {
  const mail = { emailFrom: "shop@example.org", emailTo: "to@example.org", subject: "s" };
  return { host, port: String(port), ...mail };
}

function mailboxOf({ host, port }: { host: string; port: number }): Record<string, string> {
  return { host, port: String(port), tls: "none", username: "shop" };
}

function assumedRole(url: string, keys: Record<string, string>): Record<string, string> {
  vi.stubEnv("AWS_ENDPOINT_URL_STS", url);
  return {
    authType: "awsiam",
    region: "eu-west-1",
    assumeRoleArn: "arn:aws:iam::1:role/r",
    ...keys,
  };
}

const sensitive = bindings.flatMap((binding) =>
  Object.entries(binding.metadata as Fields).flatMap(([name, field]) =>
    field.sensitive ? [{ name: `${binding.name}.${field.prefix ?? name}`, binding }] : [],
  ),
);

test("there is a case for each sensitive field of each binding", () => {
  expect(Object.keys(cases).toSorted()).toEqual(sensitive.map(({ name }) => name).toSorted());
});

function textOf(shown: unknown): string {
  const whole = { depth: 8, maxStringLength: null, breakLength: Number.POSITIVE_INFINITY };
  return inspect(shown, whole);
}

/** The values of sensitive fields, those of names that go by a prefix too. */
function secretsIn(binding: AnyBinding, properties: Record<string, string>): string[] {
  return Object.entries(binding.metadata as Fields).flatMap(([name, { sensitive, prefix }]) =>
    Object.entries(properties).flatMap(([property, value]) =>
      sensitive && (prefix === undefined ? property === name : property.startsWith(prefix))
        ? [value]
        : [],
    ),
  );
}

/** Opens a component and uses it; resolves to all that is shown of both. */
async function shownBy(
  binding: AnyBinding,
  { properties, run, data = "data", metadata = {} }: Seen,
): Promise<unknown> {
  const secrets = secretsIn(binding, properties);
  if (run !== undefined) return run(secrets);
  const started = startRuntime({
    bindings: [binding],
    allowExec: true,
    http: createHttpEndpoints(),
    app: new FakeApp(() => handled),
  });
  const resolve = async () => ({ values: properties, secrets });
  await started.runtime.apply([component(binding.name, {}, { resolve, initTimeout: 3000 })]);
  const isRunning = started.status().state === "running";
  const [operation] = Object.keys(binding.operations ?? {});
  const use = async (): Promise<unknown> =>
    operation === undefined
      ? undefined
      : started.invoke("orders", operation, data, {
          metadata,
          signal: AbortSignal.timeout(isRunning ? 5000 : 1),
        });
  const thrown: unknown = await use().catch((error: unknown) => error);
  return [thrown, started.runtime.components(), started.lines];
}

test.each(
  sensitive.flatMap(({ name, binding }) =>
    Object.entries(spellings).map(([spelled, spelling]) => ({ name, binding, spelled, spelling })),
  ),
)("$name is not shown when a server echoes it $spelled", async ({ name, binding, spelling }) => {
  const use = cases[name];
  if (use === undefined) throw new Error(`no case for ${name}`);
  const seen = await use(spelling, (text) => text.includes(canary));
  const shown = inspect(await shownBy(binding, seen), {
    depth: 8,
    maxStringLength: null,
    breakLength: Number.POSITIVE_INFINITY,
  });
  for (const writing of writingsOf(canary)) expect(shown).not.toContain(writing);
  if (seen.server === undefined || /^redis.*clientKey$/.test(name)) return;
  expect(seen.server.echoed.some((text) => seen.silent || text !== "")).toBe(true);
  if (!seen.silent) expect(shown).toContain("***");
});

test.each<{ of: "redis" | "kafka" | "imap" | "postgres"; spelled: string }>([
  { of: "redis", spelled: "as it is" },
  { of: "redis", spelled: "base64" },
  { of: "kafka", spelled: "as it is" },
  { of: "kafka", spelled: "base64url" },
  { of: "imap", spelled: "as it is" },
  { of: "imap", spelled: "base64" },
  { of: "postgres", spelled: "as it is" },
  { of: "postgres", spelled: "base64" },
])(
  "a token that was obtained is not shown when $of echoes it $spelled",
  async ({ of, spelled }) => {
    const token = "tok3n.obtained-by/the+assertion";
    const issuer = await startLoopback((_, response) => {
      response.end(JSON.stringify({ access_token: token, expires_in: 3600 }));
    });
    onTestFinished(async () => issuer[Symbol.asyncDispose]());
    const spelling = spellings[spelled] ?? String;
    const servers = {
      ...{ redis: echoingRedis, kafka: echoingKafka, imap: echoingImap },
      postgres: echoingPostgres,
    };
    const server = await servers[of]((text) => text.includes(token), spelling);
    const client = {
      oidcTokenEndpoint: issuer.url,
      oidcClientID: "shop",
      oidcClientAssertionCert: certificates.client.cert,
      oidcClientAssertionKey: certificates.client.key,
    };
    const secret = {
      oidcTokenEndpoint: issuer.url,
      oidcClientID: "shop",
      oidcClientSecret: canary,
    };
    const properties: Record<string, string> = {
      redis: { redisHost: address(server), useOIDC: "true", ...client },
      kafka: {
        ...{ brokers: address(server), disableTls: "true" },
        ...{ authType: "oidc_private_key_jwt", ...client },
      },
      imap: { ...mailboxOf(server), authType: "oidc", ...secret },
      postgres: {
        ...{ ...postgresPlace(server), useAzureAD: "true", azureAuthorityHost: issuer.url },
        ...{ azureTenantId: "shop", azureClientId: "shop", azureClientSecret: canary },
      },
    }[of];
    const binding = bindings.find(({ name }) => name === of)!;
    const shown = textOf(await shownBy(binding, { properties }));
    expect(server.echoed.some((text) => text !== "")).toBe(true);
    expect(shown).toContain("***");
    for (const writing of writingsOf(token)) expect(shown).not.toContain(writing);
    const sent = new URLSearchParams(issuer.received[0]?.body.toString());
    const proof = sent.get("client_secret") ?? sent.get("client_assertion");
    expect(proof).not.toBeNull();
    for (const writing of writingsOf(proof ?? "")) expect(shown).not.toContain(writing);
  },
);

test.each(["nkeySeed", "credentials"])(
  "neither a signature nor a JWT that logs in by %s is shown when the server echoes them",
  async (field) => {
    const user = nkeys.createUser();
    const seed = Buffer.from(user.getSeed()).toString();
    const jwt = "eyJ0eXAiOiJKV1QifQ.eyJqdGkiOiJzaG9wLm9mLm5vYm9keSJ9.c2lnbmF0dXJl";
    const part = (name: string, text: string): string =>
      `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
    const folder = mkdtempSync(join(tmpdir(), "cufflink-credentials-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "shop.creds");
    writeFileSync(file, `${part("NATS USER JWT", jwt)}\n${part("USER NKEY SEED", seed)}`);
    const value = field === "credentials" ? file : seed;
    const sent = new Set<string>();
    const isProof = (text: string): boolean => text === jwt || /^[\w+/-]{86}(==)?$/.test(text);
    const server = await echoingNats(
      (text) => isProof(text) && Boolean(sent.add(text)),
      (text) => text,
    );
    const properties = { servers: address(server), direction: "output", [field]: value };
    const binding = bindings.find(({ name }) => name === "nats")!;
    const shown = textOf(await shownBy(binding, { properties }));
    expect(sent.size).toBe(field === "credentials" ? 2 : 1);
    expect(shown).toContain("***");
    for (const text of sent) expect(shown).not.toContain(text);
  },
);

test("an output's refusal of an event is stored without the secret that it repeats", async () => {
  const server = await echoingHttp((text) => text.includes(canary), spellings["base64"] ?? String);
  const system = new FakeSystem();
  const store = new MemoryStore();
  const reply = { source: "grpc" as const, to: ["target"], data: Buffer.from("data") };
  const app = new FakeApp(() => ({ kind: "handled", reply }));
  const output = bindings.find(({ name }) => name === "twilio.sms")!;
  const started = startRuntime({ bindings: [system.binding("fake", "input"), output], app, store });
  const account = { accountSid: "AC1", authToken: canary, fromNumber: "+1", toNumber: "+2" };
  const values = { ...account, apiUrl: http(server) };
  await started.runtime.apply([
    component("fake", { backOffMaxRetries: "0" }),
    component(
      "twilio.sms",
      {},
      {
        name: "target",
        resolve: async () => ({ values, secrets: [canary] }),
      },
    ),
  ]);
  await vi.waitFor(() => expect(system.readings).toHaveLength(1));
  await system.reading.deliver([sourceEvent("1")]);
  await vi.waitFor(() => expect(store.stored.size).toBe(1));
  const found = await started.runtime.history.find("1");
  expect(textOf(found)).toContain("***");
  const shown = textOf([store, found, started.lines]);
  for (const writing of writingsOf(canary)) expect(shown).not.toContain(writing);
});
