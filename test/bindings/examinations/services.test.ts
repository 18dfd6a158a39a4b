import type { IncomingMessage } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import dingtalk from "../../../src/bindings/alicloud/alicloud.dingtalk.webhook/index.ts";
import apns from "../../../src/bindings/apns/index.ts";
import cloudflareQueues from "../../../src/bindings/cloudflare.queues/index.ts";
import commercetools from "../../../src/bindings/commercetools/index.ts";
import dubbo from "../../../src/bindings/dubbo/index.ts";
import graphql from "../../../src/bindings/graphql/index.ts";
import influx from "../../../src/bindings/influx/index.ts";
import postmark from "../../../src/bindings/postmark/index.ts";
import sse from "../../../src/bindings/sse/index.ts";
import sendgrid from "../../../src/bindings/twilio.sendgrid/index.ts";
import twilio from "../../../src/bindings/twilio.sms.ts";
import wasm from "../../../src/bindings/wasm/index.ts";
import websocket from "../../../src/bindings/websocket/index.ts";
import { apnsLogin, startApns } from "../../servers/apns.ts";
import { shopAt, startCommercetools } from "../../servers/commercetools.ts";
import { reservePort } from "../../servers/ports.ts";
import { serverToken, startPostmark } from "../../servers/postmark.ts";
import { apiKey as sendgridKey, startSendgrid } from "../../servers/sendgrid.ts";
import * as robots from "../alicloud/alicloud.dingtalk.webhook/stand-in.ts";
import { startWorker, worker } from "../cloudflare.queues/worker-stand-in.ts";
import { startProvider } from "../dubbo/provider.ts";
import { startDroids } from "../graphql/droids.ts";
import { startLoopback } from "../http/loopback-server.ts";
import { account as influxAccount, startInflux } from "../influx/influx-stand-in.ts";
import { EventServer } from "../sse/event-server.ts";
import { echoGuest, guestUrl } from "../wasm/guests.ts";
import { answersOf, examined, knownOf } from "./examined.ts";

/** Ended with the test. */
function used<Server extends AsyncDisposable>(server: Server): Server {
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

const healthy = { reachable: "passed", authenticated: "passed" } as const;
const stranger = { reachable: "passed", authenticated: "failed" } as const;
const nowhere = "http://127.0.0.1:1";

describe("what each service says of itself", () => {
  test("twilio.sms: the account", async () => {
    let status = "active";
    const server = used(
      await startLoopback(({ method, url, headers }, response) => {
        const right = `Basic ${Buffer.from("AC1:token").toString("base64")}`;
        const isKnown = headers.authorization === right && url === "/2010-04-01/Accounts/AC1.json";
        if (method !== "GET" || !isKnown)
          return void response.writeHead(401).end('{"code":20003,"message":"Authenticate"}');
        response.end(JSON.stringify({ sid: "AC1", status }));
      }),
    );
    const properties = { accountSid: "AC1", fromNumber: "+1", apiUrl: server.url };
    const right = { ...properties, authToken: "token" };
    expect(await answersOf(twilio, right)).toEqual({ ...healthy, "may write": "unknown" });
    status = "suspended";
    expect(await knownOf(twilio, right)).toEqual({ ...healthy, "may write": "failed" });
    expect(await knownOf(twilio, { ...properties, authToken: "wrong" })).toEqual(stranger);
    expect(await knownOf(twilio, { ...right, apiUrl: nowhere })).toEqual({ reachable: "failed" });
    expect(server.received.map(({ method }) => method)).toEqual(["GET", "GET", "GET"]);
  });

  test("twilio.sendgrid: what the key may do", async () => {
    const server = used(await startSendgrid());
    const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
    const right = { ...mail, apiKey: sendgridKey, apiUrl: server.url };
    expect(await knownOf(sendgrid, right)).toEqual({ ...healthy, "may write mail.send": "passed" });
    server.state.scopes = ["stats.read"];
    expect(await knownOf(sendgrid, right)).toEqual({ ...healthy, "may write mail.send": "failed" });
    server.state.scopes = undefined;
    expect(await answersOf(sendgrid, right)).toEqual({ ...healthy, "may write": "unknown" });
    expect(await knownOf(sendgrid, { ...right, apiKey: "SG.wrong" })).toEqual(stranger);
    expect(await knownOf(sendgrid, { ...right, apiUrl: nowhere })).toEqual({ reachable: "failed" });
    expect(server.mails).toEqual([]);
  });

  test("postmark: the server of the token", async () => {
    const server = used(await startPostmark());
    const right = { emailFrom: "a@example.com", serverToken, apiUrl: server.url };
    expect(await answersOf(postmark, right)).toEqual({ ...healthy, "may write": "unknown" });
    const wrong = await examined(postmark, { ...right, serverToken: "wrong-token" });
    expect(wrong.find(({ result }) => result === "failed")).toMatchObject({
      kind: "authenticated",
      detail: expect.stringMatching(/^error from Postmark, asking for the server failed: Request/),
    });
    expect(server.mails).toEqual([]);
  });

  test("commercetools: a token, and the project that it is good for", async () => {
    const server = used(await startCommercetools());
    const right = shopAt(server.url);
    const project = `project ${right.projectKey}`;
    expect(await answersOf(commercetools, right)).toEqual({
      ...healthy,
      ...{ [`exists ${project}`]: "passed", [`may write ${project}`]: "unknown" },
    });
    expect(await knownOf(commercetools, { ...right, clientSecret: "wrong" })).toEqual(stranger);
    // The token has no scope there; whether the project exists is not told.
    const other = { ...right, projectKey: "other" };
    expect(await knownOf(commercetools, other)).toEqual(healthy);
    expect(server.orders).toEqual([]);
  });

  test("graphql: the field that every server has", async () => {
    const server = used(await startDroids());
    expect(await answersOf(graphql, { endpoint: server.url })).toEqual({
      ...{ reachable: "passed", [`exists ${server.url}/`]: "passed", "may write": "unknown" },
    });
    let status = 401;
    const refusing = used(
      await startLoopback((_, response) => void response.writeHead(status).end()),
    );
    const properties = { endpoint: refusing.url, "header:Authorization": "Bearer wrong" };
    expect(await knownOf(graphql, properties)).toEqual(stranger);
    status = 404;
    expect(await knownOf(graphql, properties)).toEqual({
      ...{ ...healthy, [`exists ${refusing.url}/`]: "failed" },
    });
    // Such as one that runs only the queries that it was told before.
    status = 400;
    expect(await knownOf(graphql, properties)).toEqual({ reachable: "passed" });
    status = 503;
    expect(await knownOf(graphql, properties)).toEqual({ reachable: "failed" });
    expect(server.droids).toEqual([]);
  });

  test("influx: the bucket, if the token may see it", async () => {
    const server = used(await startInflux());
    const right = { url: server.url, ...influxAccount };
    const bucket = `exists bucket ${influxAccount.bucket}`;
    expect(await knownOf(influx, right)).toEqual({ ...healthy, [bucket]: "passed" });
    // A token that may only write sees no bucket: that is no failure.
    expect(await answersOf(influx, { ...right, bucket: "hidden" })).toEqual({
      ...{ ...healthy, "exists bucket hidden": "unknown", "may write bucket hidden": "unknown" },
    });
    expect(await knownOf(influx, { ...right, token: "wrong" })).toEqual(stranger);
    expect(server.lines).toEqual([]);
  });

  test("cloudflare.queues: what the worker is bound to", async () => {
    const server = used(await startWorker());
    const right = { ...worker, workerUrl: server.workerUrl };
    expect(await knownOf(cloudflareQueues, right)).toEqual({
      ...{ ...healthy, "exists queue orders": "passed" },
    });
    const other = { ...right, workerName: "other" };
    expect(await knownOf(cloudflareQueues, other)).toEqual(stranger);
    server.state.info = { version: "20221219", queues: ["others"] };
    const checks = await examined(cloudflareQueues, right);
    expect(checks.find(({ result }) => result === "failed")).toMatchObject({
      ...{ kind: "exists", subject: "queue orders" },
      detail: "the worker is not bound to the queue 'orders'",
    });
    expect(server.messages).toEqual([]);
  });

  test("apns: Apple answers; it knows a key only by a notification", async () => {
    const server = used(await startApns());
    const right = {
      ...apnsLogin,
      apiUrl: server.url,
      "private-key": apnsLogin["private-key"],
    };
    expect(await answersOf(apns, right)).toEqual({
      ...{ reachable: "passed", authenticated: "unknown", "may write": "unknown" },
    });
    expect(await knownOf(apns, { ...right, apiUrl: nowhere })).toEqual({ reachable: "failed" });
    expect([server.sent, server.tokens]).toEqual([[], []]);
  });

  test("alicloud.dingtalk.webhook: DingTalk answers, and the token is not shown to it", async () => {
    const server = used(await robots.startDingtalk());
    const right = { id: "1", url: server.webhook, secret: robots.secret };
    expect(await answersOf(dingtalk, right)).toEqual({
      ...{
        [`reachable ${server.url}`]: "passed",
        authenticated: "unknown",
        "may write": "unknown",
      },
    });
    expect(server.received.map(({ method, url }) => `${method} ${url}`)).toEqual(["HEAD /"]);
    const port = await reservePort();
    const input = { ...right, direction: "input", address: `127.0.0.1:${port}` };
    expect(await answersOf(dingtalk, input)).toEqual({ [`reachable port ${port}`]: "passed" });
    expect(server.messages).toEqual([]);
  });
});

describe("streams and calls", () => {
  test("websocket: the handshake tells of the headers", async () => {
    const server = new WebSocketServer({
      ...{ host: "127.0.0.1", port: 0 },
      verifyClient: ({ req }: { readonly req: IncomingMessage }) =>
        req.headers.authorization !== "Bearer wrong",
    });
    await new Promise((resolve) => server.once("listening", resolve));
    onTestFinished(() => {
      server.close();
    });
    const url = `ws://127.0.0.1:${(server.address() as { port: number }).port}/`;
    expect(await answersOf(websocket, { url })).toEqual({
      ...{ reachable: "passed", "may write": "unknown" },
    });
    const named = { url, "header:Authorization": "Bearer right", direction: "input" };
    expect(await answersOf(websocket, named)).toEqual({ ...healthy, "may read": "unknown" });
    expect(await knownOf(websocket, { ...named, "header:Authorization": "Bearer wrong" })).toEqual(
      stranger,
    );
  });

  test("sse: no stream is begun", async () => {
    const server = await EventServer.start();
    server.send("one");
    const methods: (string | undefined)[] = [];
    let status = 200;
    server.intercept = ({ method }, response) => {
      methods.push(method);
      response.writeHead(status, { "content-type": "text/event-stream" }).end();
      return true;
    };
    const properties = { url: server.url, "header:Authorization": "Bearer x", direction: "input" };
    const [exists, mayRead] = [`exists ${server.url}`, `may read ${server.url}`];
    expect(await knownOf(sse, properties)).toEqual({
      ...{ ...healthy, [exists]: "passed", [mayRead]: "passed" },
    });
    status = 401;
    expect(await knownOf(sse, properties)).toEqual(stranger);
    status = 403;
    expect(await knownOf(sse, properties)).toEqual({ ...healthy, [mayRead]: "failed" });
    // A server that does not know HEAD.
    status = 405;
    expect(await answersOf(sse, properties)).toEqual({
      ...{
        reachable: "passed",
        authenticated: "unknown",
        [exists]: "unknown",
        [mayRead]: "unknown",
      },
    });
    // One that answers HEAD as if it were a stream.
    const { intercept } = server;
    server.intercept = () => true;
    expect(await knownOf(sse, properties)).toEqual({});
    server.intercept = intercept;
    status = 500;
    expect(await knownOf(sse, properties)).toEqual({ reachable: "failed" });
    expect(new Set(methods)).toEqual(new Set(["HEAD"]));
  });

  test("dubbo: a provider answers", async () => {
    const provider = await startProvider();
    const properties = { ...provider.properties, methodName: "add" };
    expect(await answersOf(dubbo, properties)).toEqual({
      ...{ reachable: "passed", exists: "unknown", "may write": "unknown" },
    });
    expect(provider.requests).toEqual([]);
  });

  test("wasm: the module is there, and can be compiled", async () => {
    const url = await guestUrl(echoGuest, "echo.wasm");
    expect(await answersOf(wasm, { url })).toEqual({ "exists module echo": "passed" });
    const missing = await examined(wasm, { url: `${url}.none` });
    expect(missing.find(({ result }) => result === "failed")?.kind).toBe("definition");
  });
});
