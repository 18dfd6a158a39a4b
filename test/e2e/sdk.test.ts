import { createServer, type IncomingMessage, type Server } from "node:http";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommunicationProtocolEnum, DaprClient, DaprServer } from "@dapr/dapr";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startDaemon, type Daemon } from "./daemon.ts";

// The official SDK, unmodified, as client and as server, against the real daemon and real servers.
describeWith(
  ["redis", "kafka", "rabbitmq", "mosquitto"],
  ({ redis, kafka, rabbitmq, mosquitto }) => {
    describe.each([
      { name: "grpc", protocol: CommunicationProtocolEnum.GRPC },
      { name: "http", protocol: CommunicationProtocolEnum.HTTP },
    ])("the JavaScript SDK over $name", ({ name, protocol }) => {
      const id = uniqueName(`sdk-${name}`);
      const received = new Map<string, string[]>();
      let daemon: Daemon;
      let client: DaprClient;
      let upstream: Server;
      let folder: string;
      let webhookPort: number;
      const requests: { method: string; url: string; body: string }[] = [];

      beforeAll(async () => {
        folder = await mkdtemp(join(tmpdir(), "cufflink-sdk-"));
        await mkdir(join(folder, "inbox"));
        upstream = createServer((request, response) => {
          void readText(request).then((body) => {
            requests.push({ method: request.method ?? "", url: request.url ?? "", body });
            response.writeHead(200, { "content-type": "application/json" }).end('{"pong":true}');
          });
        });
        await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
        const upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
        const [appPort, hookPort] = await Promise.all([reservePort(), reservePort()]);
        webhookPort = hookPort;
        await kafka.createTopic(id, 2);
        daemon = await startDaemon({
          components: [
            {
              name: "cache",
              type: "bindings.redis",
              metadata: { redisHost: `${redis.host}:${redis.port}` },
            },
            {
              name: "events",
              type: "bindings.kafka",
              metadata: {
                brokers: kafka.brokers,
                topics: id,
                publishTopic: id,
                consumerGroup: id,
                authType: "none",
                initialOffset: "oldest",
              },
            },
            {
              name: "jobs",
              type: "bindings.rabbitmq",
              metadata: { host: rabbitmq.url, queueName: id, durable: "true" },
            },
            {
              name: "sensors",
              type: "bindings.mqtt3",
              metadata: { url: mosquitto.url, topic: id, consumerID: id },
            },
            {
              name: "files",
              type: "bindings.localstorage",
              metadata: { rootPath: join(folder, "storage") },
            },
            { name: "upstream", type: "bindings.http", metadata: { url: upstreamUrl } },
            {
              name: "sms",
              type: "bindings.twilio.sms",
              metadata: {
                fromNumber: "+1",
                toNumber: "+2",
                accountSid: "AC1",
                authToken: "token",
                apiUrl: upstreamUrl,
              },
            },
            { name: "tick", type: "bindings.cron", metadata: { schedule: "@every 300ms" } },
            {
              name: "hook",
              type: "bindings.webhook",
              metadata: { address: `127.0.0.1:${hookPort}`, path: "/hook" },
            },
            {
              name: "inbox",
              type: "bindings.file",
              metadata: { folder: join(folder, "inbox"), quietTime: "100ms" },
            },
          ],
          flags: ["--app-port", String(appPort), "--app-protocol", name],
        });
        const dapr = {
          daprHost: "127.0.0.1",
          daprPort: String(name === "grpc" ? daemon.grpcPort : daemon.httpPort),
          communicationProtocol: protocol,
        };
        client = new DaprClient(dapr);
        const server = new DaprServer({
          serverHost: "127.0.0.1",
          serverPort: String(appPort),
          communicationProtocol: protocol,
          clientOptions: dapr,
        });
        for (const input of ["events", "jobs", "sensors", "tick", "hook", "inbox"]) {
          received.set(input, []);
          await server.binding.receive(input, async (data: unknown) => {
            received.get(input)?.push(typeof data === "string" ? data : JSON.stringify(data));
          });
        }
        await server.start();
        for (const input of received.keys()) {
          await until(async () => (await daemon.state(input)) === "running", {
            what: () => `${input} to run:\n${daemon.output().slice(-3000)}`,
            within: 30_000,
          });
        }
      }, 90_000);

      afterAll(async () => {
        await daemon[Symbol.asyncDispose]();
        await client.stop();
        upstream.closeAllConnections();
        upstream.close();
        await rm(folder, { recursive: true, force: true });
      });

      const send = async (
        binding: string,
        operation: string,
        data?: unknown,
        metadata = {},
      ): Promise<string> => textOf(await client.binding.send(binding, operation, data, metadata));
      const arrives = (input: string, text: string): Promise<void> =>
        until(() => received.get(input)?.some((one) => one.includes(text)) ?? false, {
          what: () =>
            `${text} from ${input}: ${JSON.stringify(received.get(input))}\n${daemon.output().slice(-2000)}`,
          within: 15_000,
        });

      test("redis: create, get, increment, delete", async () => {
        const key = `${id}-key`;
        await send("cache", "create", { a: 1 }, { key });
        expect(JSON.parse(await send("cache", "get", undefined, { key }))).toEqual({ a: 1 });
        await send("cache", "increment", undefined, { key: `${key}-n` });
        expect(await send("cache", "get", undefined, { key: `${key}-n` })).toBe("1");
        await send("cache", "delete", undefined, { key });
        expect(await send("cache", "get", undefined, { key })).toBe("");
      });

      test("localstorage: create, list, get, delete", async () => {
        await send("files", "create", { stored: true }, { fileName: "a/b.json" });
        expect(await send("files", "list")).toContain("a/b.json");
        expect(JSON.parse(await send("files", "get", undefined, { fileName: "a/b.json" }))).toEqual(
          { stored: true },
        );
        await send("files", "delete", undefined, { fileName: "a/b.json" });
        await expect(send("files", "get", undefined, { fileName: "a/b.json" })).rejects.toThrow(
          /file not found/,
        );
      });

      test("http: head, options and trace, which have no body to answer", async () => {
        for (const operation of ["head", "options", "trace"]) {
          await send("upstream", operation, undefined, { path: `/${operation}` });
          expect(requests.at(-1)).toMatchObject({
            method: operation.toUpperCase(),
            url: `/${operation}`,
          });
        }
      });

      test("http: get, post, put, patch, delete, create", async () => {
        for (const operation of ["get", "post", "put", "patch", "delete", "create"]) {
          expect(
            JSON.parse(
              await send("upstream", operation, { sent: operation }, { path: `/${operation}` }),
            ),
          ).toEqual({
            pong: true,
          });
          const last = requests.at(-1);
          expect(last?.method).toBe(operation === "create" ? "POST" : operation.toUpperCase());
          expect(last?.url).toBe(`/${operation}`);
        }
      });

      test("twilio.sms: create", async () => {
        await send("sms", "create", "hello");
        const last = requests.at(-1);
        expect(last?.url).toBe("/2010-04-01/Accounts/AC1/Messages.json");
        expect(new URLSearchParams(last?.body).get("Body")).toBe("hello");
      });

      test("kafka, rabbitmq, mqtt3: create, and the event comes in", async () => {
        for (const component of ["events", "jobs", "sensors"]) {
          await send(component, "create", { from: component });
          await arrives(component, component);
          expect(received.get(component)).toHaveLength(1);
        }
      });

      test("cron, webhook and file: events come in", async () => {
        await until(() => (received.get("tick")?.length ?? 0) > 1, { what: "two ticks" });
        const answer = await fetch(`http://127.0.0.1:${webhookPort}/hook`, {
          method: "POST",
          body: '{"hooked":1}',
        });
        expect(answer.ok).toBe(true);
        await arrives("hook", "hooked");
        await writeFile(join(folder, "inbox", "one.json"), '{"dropped":1}');
        await arrives("inbox", "dropped");
      });

      test("an unknown binding and an unknown operation are refused in Dapr's words", async () => {
        await expect(send("nosuch", "create")).rejects.toThrow(
          /couldn't find output binding nosuch/,
        );
        await expect(send("cache", "drop")).rejects.toThrow(
          /binding cache does not support operation drop\. supported operations:create delete get increment/,
        );
      });
    });
  },
);

/** What the SDK answers: over gRPC a message with bytes, over HTTP the body, parsed where it is JSON. */
function textOf(result: unknown): string {
  if (
    typeof result === "object" &&
    result !== null &&
    "data" in result &&
    result.data instanceof Uint8Array
  ) {
    return Buffer.from(result.data).toString("utf8");
  }
  if (result === undefined || result === null) return "";
  return typeof result === "string" ? result : JSON.stringify(result);
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
