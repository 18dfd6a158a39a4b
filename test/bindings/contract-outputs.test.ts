import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectAmqp } from "amqplib";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import { Client } from "pg";
import { describe, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import type { EventContext } from "rhea";
import dingtalk from "../../src/bindings/alicloud/alicloud.dingtalk.webhook/index.ts";
import sls from "../../src/bindings/alicloud/alicloud.sls/index.ts";
import alicloudOss from "../../src/bindings/alicloud/alicloud.oss/index.ts";
import alicloudTablestore from "../../src/bindings/alicloud/alicloud.tablestore/index.ts";
import huaweiObs from "../../src/bindings/huawei.obs/index.ts";
import amqp from "../../src/bindings/amqp/index.ts";
import awsDynamodb from "../../src/bindings/aws/aws.dynamodb/index.ts";
import awsKinesis from "../../src/bindings/aws/aws.kinesis/index.ts";
import awsSes from "../../src/bindings/aws/aws.ses/index.ts";
import cosmosdb from "../../src/bindings/azure/azure.cosmosdb/index.ts";
import gremlin from "../../src/bindings/azure/azure.cosmosdb.gremlinapi/index.ts";
import openai from "../../src/bindings/azure/azure.openai/index.ts";
import eventGrid from "../../src/bindings/azure/azure.eventgrid/index.ts";
import signalr from "../../src/bindings/azure/azure.signalr/index.ts";
import cloudflareQueues from "../../src/bindings/cloudflare.queues/index.ts";
import awsSns from "../../src/bindings/aws/aws.sns/index.ts";
import awsSqs from "../../src/bindings/aws/aws.sqs/index.ts";
import azureEventhubs from "../../src/bindings/azure/azure.eventhubs/index.ts";
import azureServicebusQueues from "../../src/bindings/azure/azure.servicebus.queues/index.ts";
import dubbo from "../../src/bindings/dubbo/index.ts";
import exec from "../../src/bindings/exec/index.ts";
import gcpBucket from "../../src/bindings/gcp/gcp.bucket/index.ts";
import pubsub from "../../src/bindings/gcp/gcp.pubsub/index.ts";
import graphql from "../../src/bindings/graphql/index.ts";
import grpc from "../../src/bindings/grpc/index.ts";
import http from "../../src/bindings/http/index.ts";
import influx from "../../src/bindings/influx/index.ts";
import kafka from "../../src/bindings/kafka/index.ts";
import kubemq from "../../src/bindings/kubemq/index.ts";
import localstorage from "../../src/bindings/localstorage/index.ts";
import mqtt3 from "../../src/bindings/mqtt/mqtt3/index.ts";
import mqtt5 from "../../src/bindings/mqtt/mqtt5/index.ts";
import mysql from "../../src/bindings/mysql/index.ts";
import nats from "../../src/bindings/nats/index.ts";
import postgres from "../../src/bindings/postgres/index.ts";
import rabbitmq from "../../src/bindings/rabbitmq/index.ts";
import redis from "../../src/bindings/redis/redis/index.ts";
import rocketmq from "../../src/bindings/rocketmq/index.ts";
import redisStreams from "../../src/bindings/redis/redis.streams/index.ts";
import sftp from "../../src/bindings/sftp/index.ts";
import smtp from "../../src/bindings/smtp/index.ts";
import apns from "../../src/bindings/apns/index.ts";
import commercetools from "../../src/bindings/commercetools/index.ts";
import postmark from "../../src/bindings/postmark/index.ts";
import sendgrid from "../../src/bindings/twilio.sendgrid/index.ts";
import twilio from "../../src/bindings/twilio.sms.ts";
import zeebeCommand from "../../src/bindings/zeebe/zeebe.command/index.ts";
import { withClouds } from "../clouds.ts";
import {
  payloadOf,
  testOutput as testOutputOf,
  type Target,
} from "../../src/testkit/binding/output-suite.ts";
import { until } from "../rpc/stream-caller.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { kubemqClient } from "../servers/kubemq-client.ts";
import { bodyOf, connectPeer } from "./amqp/peer.ts";
import * as robots from "./alicloud/alicloud.dingtalk.webhook/stand-in.ts";
import { startLogService } from "./alicloud/alicloud.sls/start.ts";
import { makeTable, textOf } from "./aws/aws.dynamodb/table.ts";
import { makeStream as makeKinesisStream } from "./aws/aws.kinesis/contract-source.ts";
import { makeSender } from "./aws/aws.ses/sender.ts";
import { makeContainer, order } from "./azure/azure.cosmosdb/container.ts";
import { startGremlin } from "./azure/azure.cosmosdb.gremlinapi/stand-in.ts";
import { apnsLogin, deviceToken, startApns } from "../servers/apns.ts";
import { shopAt, startCommercetools } from "../servers/commercetools.ts";
import { serverToken, startPostmark } from "../servers/postmark.ts";
import { apiKey as sendgridKey, startSendgrid } from "../servers/sendgrid.ts";
import { apiKey, startOpenai } from "./azure/azure.openai/stand-in.ts";
import { accessKey as topicKey, startEventGrid } from "./azure/azure.eventgrid/stand-in.ts";
import { accessKey, startSignalr } from "./azure/azure.signalr/stand-in.ts";
import { startWorker, worker } from "./cloudflare.queues/worker-stand-in.ts";
import { accessKeyId, bucket, obs, oss, secret, startObjects } from "./object-service/stand-in.ts";
import { propertiesOf, startTable } from "./alicloud/alicloud.tablestore/table.ts";
import { makeTopic } from "./aws/aws.sns/topic.ts";
import { makeQueue } from "./aws/aws.sqs/contract-source.ts";
import { startNamespace } from "./azure/namespace.ts";
import { endAfterTest } from "./contract.ts";
import { startProvider } from "./dubbo/provider.ts";
import { makeBucket, objectsIn, readObject } from "./gcp/gcp.bucket/make-bucket.ts";
import { pubsubPeer } from "./gcp/gcp.pubsub/peer.ts";
import { startDroids } from "./graphql/droids.ts";
import { buildDescriptors, startOrders } from "./grpc/orders-server.ts";
import { startLoopback } from "./http/loopback-server.ts";
import { account, startInflux } from "./influx/influx-stand-in.ts";
import { recordsOf } from "./kafka/component.ts";
import { rawClient } from "./mqtt/mqtt3/raw-client.ts";
import { makeStream, natsClient } from "./nats/contract-source.ts";
import { rocketmqPeer } from "./rocketmq/peer.ts";
import { redisClient } from "./redis/redis.streams/contract-source.ts";
import { parseMail, startMailServer } from "./smtp/mail-server.ts";
import { zeebePeer } from "./zeebe/peer.ts";

/** What each output promises for invocations that come together. */
function testOutput(name: string, binding: AnyBinding, place: () => Promise<Target>): void {
  testOutputOf(test, name, binding, place);
}

describe("on this machine", () => {
  testOutput("http", http, async () => {
    const server = await startLoopback();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    const posted = () => server.received.filter(({ method }) => method === "POST");
    const arrived = async () => posted().map(({ body }) => body);
    return { properties: { url: server.url }, operation: "post", arrived };
  });

  testOutput("graphql", graphql, async () => {
    const server = await startDroids();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    const mutation = "mutation ($name: String!) { addDroid(name: $name) { id } }";
    return {
      properties: { endpoint: server.url },
      operation: "mutation",
      metadata: (n) => ({ mutation, "variable:name": payloadOf(n) }),
      arrived: async () => server.droids.map(({ name }) => Buffer.from(name)),
    };
  });

  testOutput("dubbo", dubbo, async () => {
    const provider = await startProvider();
    return {
      properties: { ...provider.properties, methodName: "add" },
      operation: "invoke",
      dataOf: (text) => JSON.stringify({ parameterTypes: ["java.lang.String"], arguments: [text] }),
      arrived: async () =>
        provider.requests.map(({ arguments: values }) =>
          Buffer.from(String((values[2] as unknown[])[0])),
        ),
    };
  });

  testOutput("grpc", grpc, async () => {
    const server = await startOrders(await buildDescriptors());
    endAfterTest(async () => server[Symbol.asyncDispose]());
    return {
      properties: { address: server.address, method: "shop.v1.Orders/Place" },
      operation: "call",
      dataOf: (text) => JSON.stringify({ payload: Buffer.from(text).toString("base64") }),
      arrived: async () => server.calls.map(({ order }) => Buffer.from(order.payload)),
    };
  });

  testOutput("influx", influx, async () => {
    const server = await startInflux();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    return {
      properties: { url: server.url, ...account },
      dataOf: (text) => JSON.stringify({ measurement: "m", values: `text="${text}"` }),
      arrived: async () => server.lines.map((line) => Buffer.from(line.slice(8, -1))),
    };
  });

  testOutput("azure.eventgrid", eventGrid, async () => {
    const server = await startEventGrid();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    return {
      properties: { topicEndpoint: `${server.url}/api/events`, accessKey: topicKey },
      arrived: async () => server.published.map((text) => Buffer.from(text)),
    };
  });

  testOutput("azure.signalr", signalr, async () => {
    const server = await startSignalr();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    return {
      properties: { endpoint: server.url, accessKey, hub: "orders" },
      arrived: async () => server.sent.map(({ body }) => Buffer.from(body)),
    };
  });

  testOutput("azure.cosmosdb.gremlinapi", gremlin, async () => {
    const { asked, properties } = await startGremlin();
    return {
      properties,
      operation: "query",
      dataOf: (text) => JSON.stringify({ gremlin: text }),
      // An examination reads nothing.
      arrived: async () =>
        asked
          .filter(({ gremlin: text }) => text !== "g.V().limit(0)")
          .map(({ gremlin: text }) => Buffer.from(String(text))),
    };
  });

  testOutput("azure.openai", openai, async () => {
    const server = await startOpenai();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    return {
      properties: { endpoint: server.url, apiKey },
      operation: "completion",
      dataOf: (prompt) => JSON.stringify({ deploymentID: "d", prompt }),
      arrived: async () => server.asked.map(({ body }) => Buffer.from(String(body["prompt"]))),
    };
  });

  testOutput("cloudflare.queues", cloudflareQueues, async () => {
    const server = await startWorker();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    return {
      properties: { ...worker, workerUrl: server.workerUrl },
      arrived: async () => server.messages.map((message) => Buffer.from(message)),
    };
  });

  testOutput("exec", exec, async () => {
    const folder = await mkdtemp(join(tmpdir(), "cufflink-contract-"));
    endAfterTest(() => rm(folder, { recursive: true }));
    return {
      properties: { command: "sh", args: JSON.stringify(["-c", `cat > ${folder}/$$`]) },
      operation: "run",
      arrived: async () =>
        Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name)))),
    };
  });

  testOutput("apns", apns, async () => {
    const server = await startApns();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    return {
      properties: { ...apnsLogin, apiUrl: server.url },
      metadata: () => ({ "device-token": deviceToken, "apns-topic": "com.example.shop" }),
      arrived: async () => server.sent.map(({ body }) => Buffer.from(body)),
    };
  });

  testOutput("commercetools", commercetools, async () => {
    const server = await startCommercetools();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    return {
      properties: shopAt(server.url),
      dataOf: (text) =>
        JSON.stringify({
          commercetoolsAPI: "GraphQLQuery",
          query: "mutation ($text: String!) { createOrder(text: $text) { id } }",
          variables: { text },
        }),
      arrived: async () => server.orders.map(({ text }) => Buffer.from(text)),
    };
  });

  testOutput("postmark", postmark, async () => {
    const server = await startPostmark();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
    return {
      properties: { ...mail, serverToken, apiUrl: server.url },
      arrived: async () => server.mails.map((one) => Buffer.from(String(one["HtmlBody"]))),
    };
  });

  testOutput("twilio.sendgrid", sendgrid, async () => {
    const server = await startSendgrid();
    endAfterTest(async () => server[Symbol.asyncDispose]());
    const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
    return {
      properties: { ...mail, apiKey: sendgridKey, apiUrl: server.url },
      arrived: async () =>
        server.mails.map(({ content }) => Buffer.from(content?.[0]?.value ?? "")),
    };
  });

  testOutput("twilio.sms", twilio, async () => {
    const server = await startLoopback((_, response) => void response.writeHead(201).end("{}"));
    endAfterTest(async () => server[Symbol.asyncDispose]());
    const account = { accountSid: "AC1", authToken: "token", fromNumber: "+1", toNumber: "+2" };
    return {
      properties: { ...account, apiUrl: server.url },
      arrived: async () =>
        server.received
          .filter(({ method }) => method === "POST")
          .map(({ body }) => Buffer.from(new URLSearchParams(body.toString()).get("Body") ?? "")),
    };
  });

  testOutput("smtp", smtp, async () => {
    const server = await startMailServer();
    const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
    return {
      properties: { host: "127.0.0.1", port: String(server.port), ...mail },
      arrived: async () =>
        server.received.map(({ raw }) => {
          // The end of a mail is always the end of a line.
          const { body } = parseMail(raw);
          return body.subarray(0, body.lastIndexOf("\r\n"));
        }),
    };
  });

  testOutput("localstorage", localstorage, async () => {
    const rootPath = await mkdtemp(join(tmpdir(), "cufflink-contract-"));
    endAfterTest(() => rm(rootPath, { recursive: true }));
    return {
      properties: { rootPath },
      metadata: (n) => ({ fileName: String(n) }),
      arrived: async () =>
        Promise.all((await readdir(rootPath)).map((name) => readFile(join(rootPath, name)))),
    };
  });
});

describeWith("cosmosdb", (server) => {
  testOutput("azure.cosmosdb", cosmosdb, async () => {
    const { properties, documents } = await makeContainer(server);
    return {
      properties,
      dataOf: (text) => order(text.replaceAll(" ", "-"), "c1", { text }),
      arrived: async () => (await documents()).map(({ text = "" }) => Buffer.from(text)),
    };
  });
});

describeWith("redis", (server) => {
  testOutput("redis", redis, async () => {
    const client = new Redis(server.port, server.host);
    endAfterTest(() => client.disconnect());
    const prefix = uniqueName("key");
    return {
      properties: { redisHost: `${server.host}:${server.port}`, redisPassword: "" },
      metadata: (n) => ({ key: `${prefix}-${n}` }),
      async arrived(count) {
        const keys = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
        return (await client.mgetBuffer(keys)).flatMap((value) => value ?? []);
      },
    };
  });
});

describeWith("kafka", (server) => {
  testOutput("kafka", kafka, async () => {
    const { brokers } = server;
    const topic = uniqueName("orders");
    await server.createTopic(topic, 4);
    return {
      properties: { brokers, authType: "none", publishTopic: topic },
      metadata: (n) => ({ partitionKey: String(n % 10) }),
      arrived: async (count) =>
        (await recordsOf(brokers, topic, count)).map(({ value }) => Buffer.from(value)),
    };
  });
});

describeWith("postgres", (server) => {
  testOutput("postgres", postgres, async () => {
    const client = new Client(server.url);
    await client.connect();
    endAfterTest(() => client.end());
    const table = uniqueName("orders").replaceAll("-", "_");
    await client.query(`CREATE TABLE ${table} (payload text)`);
    return {
      properties: { connectionString: server.url },
      operation: "exec",
      // It takes no payload: what the call is about is in its metadata.
      metadata: (n) => ({
        sql: `INSERT INTO ${table} VALUES ($1)`,
        params: JSON.stringify([payloadOf(n)]),
      }),
      async arrived() {
        const { rows } = await client.query<{ payload: string }>(`TABLE ${table}`);
        return rows.map(({ payload }) => Buffer.from(payload));
      },
    };
  });
});

describeWith("mariadb", (server) => {
  testOutput("mysql", mysql, async () => {
    const client = await createConnection(server.url);
    endAfterTest(() => client.end());
    const table = uniqueName("orders").replaceAll("-", "_");
    await client.query(`CREATE TABLE ${table} (payload text)`);
    return {
      properties: { url: `admin:opensesame@tcp(${server.host}:${server.port})/shop` },
      operation: "exec",
      metadata: (n) => ({
        sql: `INSERT INTO ${table} VALUES (?)`,
        params: JSON.stringify([payloadOf(n)]),
      }),
      async arrived() {
        const [rows] = await client.query(`SELECT payload FROM ${table}`);
        return (rows as { payload: string }[]).map(({ payload }) => Buffer.from(payload));
      },
    };
  });
});

describeWith("openssh", { own: true }, (server) => {
  testOutput("sftp", sftp, async () => {
    const rootPath = uniqueName("root");
    const folder = join(server.files, rootPath);
    return {
      properties: { address: `${server.host}:${server.port}`, ...server.login, rootPath },
      metadata: (n) => ({ fileName: String(n) }),
      arrived: async () =>
        Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name)))),
    };
  });
});

describeWith("rabbitmq", (server) => {
  testOutput("rabbitmq", rabbitmq, async () => {
    const queueName = uniqueName("orders");
    const model = await connectAmqp(server.url);
    endAfterTest(() => model.close());
    const channel = await model.createChannel();
    return {
      properties: { host: server.url, queueName, durable: "true" },
      async arrived() {
        const came: Buffer[] = [];
        for (;;) {
          const message = await channel.get(queueName, { noAck: true });
          if (message === false) return came;
          came.push(message.content);
        }
      },
    };
  });
});

describeWith("mosquitto", (server) => {
  const place = async (): Promise<Target> => {
    const topic = uniqueName("orders");
    const { received } = await rawClient(server.url, topic);
    return {
      properties: { url: server.url, topic, consumerID: uniqueName("shop") },
      async arrived(count) {
        await until(() => received.length >= count);
        return received.map(({ payload }) => Buffer.from(payload));
      },
    };
  };
  testOutput("mqtt3", mqtt3, place);
  for (const qos of ["1", "2"]) {
    testOutput(`mqtt5, QoS ${qos}`, mqtt5, async () => {
      const target = await place();
      return { ...target, properties: { ...target.properties, qos } };
    });
  }
});

describeWith("artemis", (server) => {
  testOutput("amqp", amqp, async () => {
    const address = uniqueName("orders");
    const peer = await connectPeer(server.url);
    return {
      properties: { url: server.url, address, capability: "queue" },
      arrived: async (count) => (await peer.receive(address, count)).map(bodyOf),
    };
  });
});

describe("on this machine", () => {
  testOutput("azure.eventhubs", azureEventhubs, async () => {
    const namespace = await startNamespace();
    return {
      properties: { connectionString: namespace.connectionString, eventHub: "hub-1" },
      async arrived(count) {
        const events = namespace.hub("hub-1").eventsOf("0");
        await until(() => events.length === count);
        return events.map(({ message }) => bodyOf({ message } as EventContext));
      },
    };
  });

  testOutput("azure.servicebus.queues", azureServicebusQueues, async () => {
    const namespace = await startNamespace();
    const queueName = uniqueName("orders");
    return {
      properties: { connectionString: namespace.connectionString, queueName },
      async arrived(count) {
        const queue = namespace.queue(queueName);
        await until(() => queue.messages.length === count);
        return queue.messages.map(({ message }) => bodyOf({ message } as EventContext));
      },
    };
  });
});

describeWith("nats", (server) =>
  testOutput("nats", nats, async () => {
    const client = natsClient(server);
    const stream = await makeStream(client);
    return {
      properties: { servers: server.url, subject: `${stream}.a` },
      async arrived(count) {
        const found: Buffer[] = [];
        for (let seq = 1; seq <= count; seq++) {
          const { message } = await client.api(`STREAM.MSG.GET.${stream}`, { seq });
          found.push(Buffer.from((message as { data?: string }).data ?? "", "base64"));
        }
        return found;
      },
    };
  }),
);

describeWith("fake-gcs", (server) =>
  testOutput("gcp.bucket", gcpBucket, async () => {
    const bucket = await makeBucket(server);
    const { url } = server;
    return {
      properties: { bucket, projectID: "p", endpoint: url },
      metadata: (n) => ({ key: String(n).padStart(3, "0") }),
      async arrived() {
        const objects = await objectsIn(url, bucket);
        return Promise.all(objects.map(({ name }) => readObject(url, bucket, name)));
      },
    };
  }),
);

describeWith("pstest", (server) =>
  testOutput("gcp.pubsub", pubsub, async () => {
    const peer = pubsubPeer(server);
    const topic = await peer.makeTopic();
    const subscription = await peer.makeSubscription(topic);
    return {
      properties: { projectID: "shop", topic, endpoint: server.url },
      arrived: async () => (await peer.pull(subscription)).map(({ data }) => Buffer.from(data)),
    };
  }),
);

describeWith("kubemq", (server) =>
  testOutput("kubemq", kubemq, async () => {
    const client = kubemqClient(server);
    endAfterTest(() => client.close());
    const channel = uniqueName("orders");
    const came: Buffer[] = [];
    return {
      properties: { address: `${server.host}:${server.port}`, channel },
      async arrived() {
        came.push(...(await client.receive(channel)));
        return came;
      },
    };
  }),
);

describeWith("zeebe", (server) =>
  testOutput("zeebe.command", zeebeCommand, async () => {
    const peer = zeebePeer(server);
    const { type, processId } = await peer.place();
    const came: Buffer[] = [];
    return {
      properties: {
        ...{ gatewayAddr: `${server.host}:${server.port}`, usePlainTextConnection: "true" },
      },
      operation: "create-instance",
      dataOf: (text) => JSON.stringify({ bpmnProcessId: processId, variables: { text } }),
      async arrived() {
        for (const { variables } of await peer.activate(type))
          came.push(Buffer.from((JSON.parse(variables) as { text: string }).text));
        return came;
      },
    };
  }),
);

describeWith("redis", (server) =>
  testOutput("redis.streams", redisStreams, async () => {
    const client = redisClient(server);
    const stream = uniqueName("orders");
    const arrived = async () => {
      const entries = await client.xrangeBuffer(stream, "-", "+");
      return entries.map(([, fields]) => fields[1] ?? Buffer.alloc(0));
    };
    const redisHost = `${server.host}:${server.port}`;
    return { properties: { redisHost, redisPassword: "", stream }, arrived };
  }),
);

testOutput("alicloud.dingtalk.webhook", dingtalk, async () => {
  const server = await robots.startDingtalk();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const contentOf = ({ text }: Record<string, unknown>): string =>
    (text as { content: string }).content;
  return {
    properties: { id: "alerts", url: server.webhook, secret: robots.secret },
    dataOf: robots.textMessage,
    arrived: async () => server.messages.map((one) => Buffer.from(contentOf(one))),
  };
});

testOutput("alicloud.oss", alicloudOss, async () => {
  const server = await startObjects(oss);
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    properties: { endpoint: server.url, accessKeyID: accessKeyId, accessKey: secret, bucket },
    arrived: async () => [...server.objects.values()],
  };
});

testOutput("alicloud.sls", sls, async () => {
  const { server, output } = await startLogService();
  return {
    properties: { ...output, topic: "checkout", source: "shop-1" },
    dataOf: (text) => JSON.stringify({ text }),
    arrived: async () => server.logs("orders").map(({ texts }) => Buffer.from(texts["text"] ?? "")),
  };
});

testOutput("alicloud.tablestore", alicloudTablestore, async () => {
  const server = await startTable();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const metadata = { primaryKeys: "customer,order" };
  let order = 0;
  return {
    properties: propertiesOf(server),
    metadata: () => metadata,
    dataOf: (text) => JSON.stringify({ customer: "ada", order: order++, text }),
    arrived: async () =>
      server.rowsOf("orders").map(({ text }) => Buffer.from(String(text?.value))),
  };
});

testOutput("huawei.obs", huaweiObs, async () => {
  const server = await startObjects(obs);
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    properties: { endpoint: server.url, accessKey: accessKeyId, secretKey: secret, bucket },
    arrived: async () => [...server.objects.values()],
  };
});

describeWith("kinesalite", (server) => {
  testOutput("aws.kinesis", awsKinesis, async () => {
    const stream = await makeKinesisStream(server);
    const arrived = async () => (await stream.records()).map(({ data }) => data);
    return { properties: stream.properties, arrived };
  });
});

describeWith("rocketmq-proxy", (server) => {
  testOutput("rocketmq", rocketmq, async () => {
    const topic = uniqueName("orders");
    const peer = rocketmqPeer(server);
    const came: Buffer[] = [];
    return {
      properties: { proxyEndpoint: `${server.host}:${server.port}`, topics: topic },
      async arrived(count) {
        while (came.length < count)
          came.push(...(await peer.receive(topic, "all")).map(({ text }) => Buffer.from(text)));
        return came;
      },
    };
  });
});

describeWith("moto", (server) => {
  testOutput("aws.sqs", awsSqs, async () => {
    const queue = await makeQueue(server);
    const arrived = async () => (await queue.take()).map(({ Body }) => Buffer.from(Body));
    return { properties: queue.properties, arrived };
  });

  // The emulator is slow with these.
  if (!withClouds) return;
  testOutput("aws.dynamodb", awsDynamodb, async () => {
    const table = await makeTable(server);
    return {
      properties: table.properties,
      dataOf: (id) => JSON.stringify({ id }),
      arrived: async () => (await table.items()).map(({ id }) => Buffer.from(textOf(id))),
    };
  });

  testOutput("aws.ses", awsSes, async () => {
    const sender = await makeSender(server);
    const arrived = async () => (await sender.sent()).map(({ body }) => Buffer.from(body));
    return { properties: sender.properties, arrived };
  });

  testOutput("aws.sns", awsSns, async () => {
    const topic = await makeTopic(server);
    return {
      properties: topic.properties,
      dataOf: (message) => JSON.stringify({ message }),
      arrived: async () => (await topic.arrived()).map(({ Message }) => Buffer.from(Message)),
    };
  });
});
