import { createServer, type ServerHttp2Stream } from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import oss from "../../../src/bindings/alicloud/alicloud.oss/index.ts";
import sls from "../../../src/bindings/alicloud/alicloud.sls/index.ts";
import tablestore from "../../../src/bindings/alicloud/alicloud.tablestore/index.ts";
import gremlin from "../../../src/bindings/azure/azure.cosmosdb.gremlinapi/index.ts";
import eventGrid from "../../../src/bindings/azure/azure.eventgrid/index.ts";
import openai from "../../../src/bindings/azure/azure.openai/index.ts";
import signalr from "../../../src/bindings/azure/azure.signalr/index.ts";
import bucketBinding from "../../../src/bindings/gcp/gcp.bucket/index.ts";
import pubsub from "../../../src/bindings/gcp/gcp.pubsub/index.ts";
import obs from "../../../src/bindings/huawei.obs/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { reservePort } from "../../servers/ports.ts";
import { startLogService } from "../alicloud/alicloud.sls/start.ts";
import { propertiesOf, startTable } from "../alicloud/alicloud.tablestore/table.ts";
import { startGremlin } from "../azure/azure.cosmosdb.gremlinapi/stand-in.ts";
import { startBoth } from "../azure/azure.eventgrid/both.ts";
import { accessKey as topicKey, startEventGrid } from "../azure/azure.eventgrid/stand-in.ts";
import { apiKey, startOpenai } from "../azure/azure.openai/stand-in.ts";
import { accessKey, startSignalr } from "../azure/azure.signalr/stand-in.ts";
import { makeBucket } from "../gcp/gcp.bucket/make-bucket.ts";
import { pubsubPeer } from "../gcp/gcp.pubsub/peer.ts";
import { listen, startLoopback } from "../http/loopback-server.ts";
import * as objects from "../object-service/stand-in.ts";
import { answersOf, knownOf } from "./examined.ts";

/** Ended with the test. */
function used<Server extends AsyncDisposable>(server: Server): Server {
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

const healthy = { reachable: "passed", authenticated: "passed" } as const;
const stranger = { reachable: "passed", authenticated: "failed" } as const;

describe("Alibaba Cloud and Huawei Cloud", () => {
  test.each([
    ["alicloud.oss", oss, objects.oss, ["accessKeyID", "accessKey"]],
    ["huawei.obs", obs, objects.obs, ["accessKey", "secretKey"]],
  ] as const)("%s: the bucket", async (_, binding, vendor, [id, key]) => {
    const server = used(await objects.startObjects(vendor));
    const right = {
      ...{ endpoint: server.url, bucket: objects.bucket },
      ...{ [id]: objects.accessKeyId, [key]: objects.secret },
    };
    const bucket = `bucket ${objects.bucket}`;
    expect(await answersOf(binding, right)).toEqual({
      ...{ ...healthy, [`exists ${bucket}`]: "passed", [`may write ${bucket}`]: "unknown" },
    });
    expect(await knownOf(binding, { ...right, bucket: "another" })).toEqual({
      ...{ ...healthy, "exists bucket another": "failed" },
    });
    expect(await knownOf(binding, { ...right, [key]: "wrong" })).toEqual(stranger);
    // Who may store need not be allowed to list.
    server.state.failure = { status: 403, code: "AccessDenied" };
    expect(await knownOf(binding, right)).toEqual(healthy);
    expect(new Set(server.received.map(({ method }) => method))).toEqual(new Set(["GET"]));
  });

  test("alicloud.tablestore: the table", async () => {
    const server = used(await startTable());
    const right = propertiesOf(server);
    const [exists, mayWrite] = ["exists table orders", "may write table orders"];
    expect(await answersOf(tablestore, right)).toEqual({
      ...{ ...healthy, [exists]: "passed", [mayWrite]: "unknown" },
    });
    expect(await knownOf(tablestore, { ...right, tableName: "others" })).toEqual({
      ...{ ...healthy, "exists table others": "failed" },
    });
    expect(await answersOf(tablestore, { ...right, tableName: "" })).toEqual({
      ...{ ...healthy, "may write": "unknown" },
    });
    expect(await knownOf(tablestore, { ...right, accessKey: "wrong" })).toEqual(stranger);
    server.denied.add("DescribeTable");
    expect(await knownOf(tablestore, right)).toEqual(healthy);
    expect(new Set(server.actions)).toEqual(new Set(["DescribeTable", "ListTable"]));
  });

  test("alicloud.sls: the Logstore, and a cursor of it", async () => {
    const { server, output, input } = await startLogService();
    const exists = "exists Logstore shop/orders";
    expect(await answersOf(sls, output)).toEqual({
      ...{ ...healthy, [exists]: "passed", "may write": "unknown" },
    });
    const reading = { ...input, direction: "input" };
    const mayRead = "may read a cursor of shard 0";
    expect(await knownOf(sls, reading)).toEqual({
      ...{ ...healthy, [exists]: "passed", [mayRead]: "passed" },
    });
    server.failure = ({ url }) =>
      url.includes("type=cursor") ? { status: 403, code: "Unauthorized" } : undefined;
    expect(await knownOf(sls, reading)).toMatchObject({ [exists]: "passed", [mayRead]: "failed" });
    server.failure = undefined;
    expect(await knownOf(sls, { ...output, logstore: "others" })).toEqual({
      ...{ ...healthy, "exists Logstore shop/others": "failed" },
    });
    expect(await knownOf(sls, { ...output, accessKeySecret: "wrong" })).toEqual(stranger);
    expect(server.logstores.get("orders")?.groups.size).toBe(0);
    expect(new Set(server.asked.map(({ method }) => method))).toEqual(new Set(["GET"]));
  });
});

describe("Azure", () => {
  test("azure.signalr: the access key", async () => {
    const server = used(await startSignalr());
    const right = { endpoint: server.url, accessKey, hub: "orders" };
    expect(await answersOf(signalr, right)).toEqual({ ...healthy, "may write": "unknown" });
    expect(await knownOf(signalr, { ...right, accessKey: "wrong" })).toEqual(stranger);
    expect(server.sent).toEqual([]);
  });

  test("azure.openai: the key", async () => {
    const server = used(await startOpenai());
    const right = { endpoint: server.url, apiKey };
    expect(await answersOf(openai, right)).toEqual({ ...healthy, "may write": "unknown" });
    expect(await knownOf(openai, { ...right, apiKey: "wrong" })).toEqual(stranger);
    server.state.status = 403;
    expect(await knownOf(openai, right)).toEqual(healthy);
    expect(server.asked).toEqual([]);
  });

  test("azure.cosmosdb.gremlinapi: the log-in, by a query that reads nothing", async () => {
    const { state, properties: right } = await startGremlin();
    const exists = `exists graph of ${right.username}`;
    expect(await answersOf(gremlin, right)).toEqual({
      ...{ ...healthy, [exists]: "passed", "may write": "unknown" },
    });
    expect(await knownOf(gremlin, { ...right, masterKey: "wrong" })).toEqual(stranger);
    state.answer = () => [{ code: 500, attributes: { "x-ms-status-code": 404 } }];
    expect(await knownOf(gremlin, right)).toEqual({ ...healthy, [exists]: "failed" });
  });

  test("azure.eventgrid: the topic is there; the key is checked only of what is published", async () => {
    const server = used(await startEventGrid());
    const right = { topicEndpoint: `${server.url}/api/events`, accessKey: topicKey };
    expect(await answersOf(eventGrid, right)).toEqual({
      ...{
        [`reachable ${server.url}`]: "passed",
        authenticated: "unknown",
        "may write": "unknown",
      },
    });
    expect(await knownOf(eventGrid, { ...right, topicEndpoint: "http://127.0.0.1:1/" })).toEqual({
      "reachable http://127.0.0.1:1": "failed",
    });
    expect(server.published).toEqual([]);
  });

  test("azure.eventgrid: the subscription that events come by is not made", async () => {
    const { grid, properties } = await startBoth(await reservePort());
    const name = "event subscription orders";
    expect(await answersOf(eventGrid, properties)).toEqual({
      ...{ ...healthy, [`exists ${name}`]: "passed", "may read": "unknown" },
    });
    expect([grid.state.puts, grid.subscriptions.size]).toEqual([[], 0]);
    grid.state.refusal = { status: 403, code: "AuthorizationFailed", methods: "GET" };
    expect(await knownOf(eventGrid, properties)).toEqual(healthy);
    grid.state.refusal = undefined;
    const wrong = { ...properties, azureClientSecret: "wrong" };
    expect(await knownOf(eventGrid, wrong)).toMatchObject({ authenticated: "failed" });
  });
});

/** Answers each method of a gRPC service by its path: a message, or a status. */
async function startGrpc(answer: (path: string) => Uint8Array | number): Promise<string> {
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    const answered = answer(headers[":path"] ?? "");
    stream.on("error", () => undefined).resume();
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () =>
      stream.sendTrailers({ "grpc-status": typeof answered === "number" ? answered : 0 }),
    );
    if (typeof answered === "number") return void stream.end();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(answered.length, 1);
    stream.end(Buffer.concat([head, answered]));
  });
  const port = await listen(server);
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${port}`;
}

/** TestIamPermissionsResponse. */
const granting = (permission: string): Uint8Array =>
  Buffer.concat([Buffer.from([0x0a, permission.length]), Buffer.from(permission)]);

describe("Google Cloud", () => {
  const [topic, subscription] = [
    "topic projects/shop/topics/orders",
    "subscription projects/shop/subscriptions/orders",
  ];

  test("gcp.pubsub: what IAM allows on a topic and on a subscription", async () => {
    const asked: string[] = [];
    const answers = { get: new Uint8Array() as Uint8Array | number, permission: "" };
    const endpoint = await startGrpc((path) => {
      if (!path.startsWith("/google")) return 12;
      asked.push(path);
      return path.includes("/Get") ? answers.get : granting(answers.permission);
    });
    const right = { projectID: "shop", topic: "orders", endpoint };
    answers.permission = "pubsub.topics.publish";
    expect(await knownOf(pubsub, right)).toEqual({
      ...{ ...healthy, [`exists ${topic}`]: "passed", [`may write ${topic}`]: "passed" },
    });
    answers.permission = "pubsub.topics.get";
    expect(await knownOf(pubsub, right)).toMatchObject({ [`may write ${topic}`]: "failed" });
    const reading = { ...right, subscription: "orders", direction: "input" };
    answers.permission = "pubsub.subscriptions.consume";
    // Reading does not need the permission to look at it.
    answers.get = 7;
    expect(await answersOf(pubsub, reading)).toEqual({
      ...{ ...healthy, [`exists ${subscription}`]: "unknown" },
      [`may read ${subscription}`]: "passed",
    });
    answers.get = 5;
    expect(await answersOf(pubsub, reading)).toEqual({
      ...{ ...healthy, [`exists ${subscription}`]: "failed" },
      [`may read ${subscription}`]: "unknown",
    });
    answers.get = 16;
    expect(await knownOf(pubsub, reading)).toEqual(stranger);
    expect(new Set(asked)).toEqual(
      new Set([
        "/google.pubsub.v1.Publisher/GetTopic",
        "/google.pubsub.v1.Subscriber/GetSubscription",
        "/google.iam.v1.IAMPolicy/TestIamPermissions",
      ]),
    );
  });

  test("gcp.bucket: what IAM allows on the bucket", async () => {
    let permissions: readonly string[] = ["storage.objects.create"];
    let status = 200;
    const server = used(
      await startLoopback(({ url = "" }, response) => {
        response.writeHead(url === "/" ? 200 : status, { "content-type": "application/json" });
        if (status === 200)
          response.end(JSON.stringify({ kind: "storage#testIamPermissionsResponse", permissions }));
        else response.end(JSON.stringify({ error: { code: status, message: "refused" } }));
      }),
    );
    const right = { bucket: "shop-orders", projectID: "p", endpoint: server.url };
    const exists = "exists bucket shop-orders";
    expect(await knownOf(bucketBinding, right)).toEqual({
      ...{ ...healthy, [exists]: "passed", "may write storage.objects.create": "passed" },
    });
    permissions = ["storage.objects.list"];
    expect(await knownOf(bucketBinding, right)).toEqual({
      ...{ ...healthy, [exists]: "passed", "may write storage.objects.create": "failed" },
    });
    const reading = { ...right, direction: "input", onHandled: "delete" };
    expect(await knownOf(bucketBinding, reading)).toEqual({
      ...{ ...healthy, [exists]: "passed", "may read storage.objects.get": "failed" },
      "may read storage.objects.list": "passed",
    });
    status = 404;
    expect(await knownOf(bucketBinding, right)).toEqual({ ...healthy, [exists]: "failed" });
    status = 401;
    expect(await knownOf(bucketBinding, right)).toEqual(stranger);
    expect(new Set(server.received.map(({ method }) => method))).toEqual(new Set(["GET"]));
  });
});

describeWith("pstest", (server) => {
  test("gcp.pubsub: a topic that is not there is told, and not made", async () => {
    const peer = pubsubPeer(server);
    const topic = await peer.makeTopic();
    const right = { projectID: "shop", topic, endpoint: server.url };
    // The fake has no policies.
    expect(await answersOf(pubsub, right)).toEqual({
      ...{ ...healthy, [`exists topic ${topic}`]: "passed" },
      [`may write topic ${topic}`]: "unknown",
    });
    for (const _ of [1, 2])
      expect(await knownOf(pubsub, { ...right, topic: `${topic}-none` })).toEqual({
        ...{ ...healthy, [`exists topic ${topic}-none`]: "failed" },
      });
  });
});

describeWith("fake-gcs", (server) => {
  test("gcp.bucket: a bucket that is not there", async () => {
    const bucket = await makeBucket(server);
    const right = { bucket, projectID: "p", endpoint: server.url };
    expect(await knownOf(bucketBinding, right)).toEqual({
      ...{ ...healthy, [`exists bucket ${bucket}`]: "passed" },
    });
    expect(await knownOf(bucketBinding, { ...right, bucket: "nosuch-bucket" })).toEqual({
      ...{ ...healthy, "exists bucket nosuch-bucket": "failed" },
    });
  });
});
