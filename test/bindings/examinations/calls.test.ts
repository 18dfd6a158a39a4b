import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import kubemq from "../../../src/bindings/kubemq/index.ts";
import kubernetes from "../../../src/bindings/kubernetes/index.ts";
import rethinkdb from "../../../src/bindings/rethinkdb.statechange/index.ts";
import rocketmq from "../../../src/bindings/rocketmq/index.ts";
import zeebeCommand from "../../../src/bindings/zeebe/zeebe.command/index.ts";
import zeebeWorker from "../../../src/bindings/zeebe/zeebe.jobworker/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { kubemqClient } from "../../servers/kubemq-client.ts";
import { KubernetesEvents, status } from "../../servers/kubernetes-events.ts";
import { RocketmqProxy } from "../../servers/rocketmq-proxy/proxy.ts";
import { endAfterTest } from "../contract.ts";
import { place } from "../kubernetes/place.ts";
import { account, startStandIn } from "../rethinkdb.statechange/stand-in.ts";
import { zeebePeer } from "../zeebe/peer.ts";
import { answersOf, examined, knownOf } from "./examined.ts";

const healthy = { reachable: "passed", authenticated: "passed" } as const;
const stranger = { reachable: "passed", authenticated: "failed" } as const;

describeWith("zeebe", ({ host, port }) => {
  const right = { gatewayAddr: `${host}:${port}`, usePlainTextConnection: "true" };

  test("zeebe: the topology, and no job is taken", async () => {
    expect(await answersOf(zeebeCommand, right)).toEqual({ ...healthy, "may write": "unknown" });
    const peer = zeebePeer({ host, port });
    const { type, processId } = await peer.place();
    await peer.start(processId);
    const worker = { ...right, jobType: type, direction: "input" };
    expect(await answersOf(zeebeWorker, worker)).toEqual({ ...healthy, "may read": "unknown" });
    expect(await peer.activate(type)).toHaveLength(1);
  });
});

describeWith("zeebe", { own: true, tokens: ["right"] }, ({ host, port }) => {
  test("zeebe: a gateway that asks for a token", async () => {
    const properties = { gatewayAddr: `${host}:${port}`, usePlainTextConnection: "true" };
    expect(await knownOf(zeebeCommand, properties)).toEqual(stranger);
  });
});

describeWith("kubemq", (server) => {
  test("kubemq: how many messages a queue has, which stay", async () => {
    const client = kubemqClient(server);
    endAfterTest(() => client.close());
    const channel = uniqueName("orders");
    const right = { address: `${server.host}:${server.port}`, channel };
    const queue = `queue ${channel}`;
    const expected = { ...healthy, [`exists ${queue}`]: "passed" } as const;
    expect(await answersOf(kubemq, right)).toEqual({
      ...{ ...expected, [`may write ${queue}`]: "unknown" },
    });
    await client.send(channel, "one");
    const checks = await examined(kubemq, { ...right, direction: "input" });
    expect(checks).toContainEqual({
      ...{ kind: "exists", subject: queue, result: "passed", detail: "1 messages wait" },
    });
    expect(await client.receive(channel)).toEqual([Buffer.from("one")]);
  });
});

describeWith("kubemq", { own: true, tokens: ["right"] }, (server) => {
  test("kubemq: a token that the server does not know", async () => {
    const right = { address: `${server.host}:${server.port}`, channel: "orders" };
    expect(await knownOf(kubemq, { ...right, authToken: "wrong" })).toEqual(stranger);
    expect(await knownOf(kubemq, { ...right, authToken: "right" })).toEqual({
      ...{ ...healthy, "exists queue orders": "passed" },
    });
  });
});

describe("stand-ins", () => {
  test("rocketmq: the topics, and what their queues allow", async () => {
    const login = { accessKey: "shop", secretKey: "s3cret/p@ss" };
    const proxy = await new RocketmqProxy({ login }).listen();
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    proxy.absent.add("gone");
    const right = { ...login, proxyEndpoint: proxy.address, tls: "false", topics: "orders, gone" };
    expect(await knownOf(rocketmq, right)).toEqual({
      ...{ ...healthy, "exists topic orders": "passed", "may write topic orders": "passed" },
      "exists topic gone": "failed",
    });
    const reading = { ...right, topics: "orders", consumerGroup: "g", direction: "input" };
    expect(await answersOf(rocketmq, reading)).toEqual({
      ...{ ...healthy, "exists topic orders": "passed", "may read topic orders": "passed" },
      "may read group g": "unknown",
    });
    expect(await knownOf(rocketmq, { ...right, secretKey: "wrong" })).toEqual(stranger);
    expect(new Set(proxy.calls)).toEqual(new Set(["QueryRoute"]));
  });

  test("rethinkdb.statechange: the table, of which no row is read", async () => {
    const server = await startStandIn({ lacks: "others" });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const right = {
      ...{ ...account, address: `127.0.0.1:${server.port}`, direction: "input" },
      ...{ database: "shop", table: "orders" },
    };
    expect(await knownOf(rethinkdb, right)).toEqual({
      ...{ ...healthy, "exists table shop.orders": "passed" },
      "may read table shop.orders": "passed",
    });
    expect(await knownOf(rethinkdb, { ...right, table: "others" })).toEqual({
      ...{ ...healthy, "exists table shop.others": "failed" },
    });
    expect(await knownOf(rethinkdb, { ...right, password: "wrong" })).toEqual(stranger);
    expect([server.readers, server.queries]).toEqual([0, []]);
    const denying = await startStandIn({ denies: "all" });
    onTestFinished(() => denying[Symbol.asyncDispose]());
    const denied = { ...right, address: `127.0.0.1:${denying.port}` };
    expect(await answersOf(rethinkdb, denied)).toEqual({
      ...{ ...healthy, "exists table shop.orders": "unknown" },
      "may read table shop.orders": "failed",
    });
  });

  test("kubernetes: the namespace, and a list of its events", async () => {
    const folder = await mkdtemp(join(tmpdir(), "doctor-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const api = await KubernetesEvents.start();
    onTestFinished(() => api[Symbol.asyncDispose]());
    api.put("shop", "one");
    const input = { direction: "input" };
    const { properties } = place(api, folder, input);
    const mayRead = "may read the events of shop";
    const expected = {
      ...healthy,
      "exists namespace shop": "passed",
      [mayRead]: "passed",
    } as const;
    expect(await knownOf(kubernetes, properties)).toEqual(expected);
    api.refuse = () => ({ status: 403, json: status(403, "Forbidden", "may not list") });
    expect(await knownOf(kubernetes, properties)).toEqual({ ...expected, [mayRead]: "failed" });
    // Of a namespace that is not there the list is empty.
    api.refuse = undefined;
    expect(await knownOf(kubernetes, { ...properties, namespace: "other" })).toMatchObject({
      "exists namespace other": "failed",
    });
    api.tokens.add("right");
    expect(await knownOf(kubernetes, properties)).toEqual(stranger);
    expect(api.watches).toBe(0);
  });
});
