// `npm run test:interop`: Dapr's SDKs, unmodified, as clients of the daemon and as its apps, against real servers. They come
// from their registries, and are built once.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startDaemon } from "../e2e/daemon.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { Program, type AppEvent, type Call, type Outcome } from "./program.ts";
import { findTool } from "../servers/built-program.ts";
import { buildSdk, sdks, type Protocol, type Sdk } from "./sdks.ts";

const folder = mkdtempSync(join(tmpdir(), "cufflink-interop-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeWith(["redis", "kafka"], ({ redis, kafka }) => {
  for (const sdk of sdks) {
    const { language, version, toolchain } = sdk;
    const missing = toolchain.filter((name) => findTool(name) === undefined);
    if (missing.length > 0) {
      // oxlint-disable-next-line vitest/no-disabled-tests -- named in the output
      test.skip(`${language}: not run, since there is no ${missing.join(" and no ")}`, () => {});
      continue;
    }
    describe(`${language}, ${version}`, () => {
      let built = "";
      beforeAll(async () => {
        built = await buildSdk(sdk);
      }, 1_200_000);
      for (const protocol of sdk.client) testClient(sdk, protocol, () => built);
      for (const protocol of sdk.app) testApp(sdk, protocol, () => built);
    });
  }

  function testClient({ command }: Sdk, protocol: Protocol, built: () => string): void {
    test(`its client over ${protocol}: each operation`, { timeout: 120_000 }, async () => {
      const requests: string[] = [];
      const upstream = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          requests.push(`${request.method} ${Buffer.concat(chunks).toString()}`);
          response.end(request.method === "HEAD" ? undefined : "pong");
        });
      });
      await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
      const topic = uniqueName("interop");
      await kafka.createTopic(topic, 1);
      await using daemon = await startDaemon({
        components: [
          component("cache", "redis", { redisHost: `${redis.host}:${redis.port}` }),
          component("files", "localstorage", { rootPath: join(folder, uniqueName("files")) }),
          component("web", "http", {
            url: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
          }),
          component("events", "kafka", {
            ...{ brokers: kafka.brokers, publishTopic: topic, authType: "none" },
            direction: "output",
          }),
        ],
      });
      await using client = new Program<Outcome>(command(built()), ["client", protocol], {
        DAPR_GRPC_PORT: String(daemon.grpcPort),
        DAPR_HTTP_PORT: String(daemon.httpPort),
        DAPR_GRPC_ENDPOINT: `127.0.0.1:${daemon.grpcPort}`,
      });
      const outcome = async (one: Call) => client.ask(one);
      const answer = async (
        binding: string,
        operation: string,
        data: unknown = "",
        metadata: Record<string, string> = {},
      ) => {
        const { data: text, error } = await outcome({ binding, operation, data, metadata });
        expect(error).toBeUndefined();
        return text;
      };

      const key = uniqueName("key");
      await answer("cache", "create", "grüße", { key });
      expect(await answer("cache", "get", "", { key })).toContain("grüße");
      await answer("cache", "increment", "", { key: `${key}-count` });
      await answer("cache", "increment", "", { key: `${key}-count` });
      expect(await answer("cache", "get", "", { key: `${key}-count` })).toContain("2");
      await answer("cache", "delete", "", { key });
      expect(await answer("cache", "get", "", { key })).not.toContain("grüße");

      const fileName = "order.txt";
      expect(await answer("files", "create", "an order", { fileName })).toContain(fileName);
      expect(await answer("files", "get", "", { fileName })).toContain("an order");
      expect(await answer("files", "list")).toContain(fileName);
      await answer("files", "delete", "", { fileName });
      expect(await answer("files", "list")).not.toContain(fileName);

      expect(await answer("web", "get")).toContain("pong");
      for (const method of ["post", "put", "patch", "delete", "options", "create"])
        expect(await answer("web", method, "ping")).toContain("pong");
      await answer("web", "head");
      expect(requests.map((line) => line.split(" ")[0])).toEqual([
        ...["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "POST", "HEAD"],
      ]);
      expect(requests.filter((line) => line.includes("ping")).length).toBeGreaterThanOrEqual(4);

      await answer("events", "create", { order: 17 }, { partitionKey: "customer" });

      const failures = [
        [{ binding: "nothing", operation: "get" }, /nothing/],
        [{ binding: "cache", operation: "sing", metadata: { key } }, /sing/],
        [{ binding: "files", operation: "get", metadata: { fileName: "none" } }, /none|not found/i],
      ] as const;
      for (const [call, text] of failures) {
        const { error, data } = await outcome(call);
        expect({ error, data }).toEqual({ error: expect.stringMatching(text), data: undefined });
      }
      upstream.close();
      upstream.closeAllConnections();
    });
  }

  function testApp({ command }: Sdk, protocol: Protocol, built: () => string): void {
    test(
      `its app over ${protocol}: events, one of them refused once`,
      { timeout: 120_000 },
      async () => {
        const topic = uniqueName("interop");
        await kafka.createTopic(topic, 1);
        const appPort = await reservePort();
        const [grpcPort, httpPort] = [await reservePort(), await reservePort()];
        const ports = { DAPR_GRPC_PORT: String(grpcPort), DAPR_HTTP_PORT: String(httpPort) };
        const names = ["events", "tick"];
        await using app = new Program<AppEvent>(
          command(built()),
          ["app", protocol, String(appPort), ...names],
          { ...ports, DAPR_GRPC_ENDPOINT: `127.0.0.1:${grpcPort}` },
        );
        await using daemon = await startDaemon({
          components: [
            component("events", "kafka", {
              ...{ brokers: kafka.brokers, topics: topic, publishTopic: topic, authType: "none" },
              ...{ consumerGroup: topic, initialOffset: "oldest", backOffDuration: "100ms" },
            }),
            component("tick", "cron", { schedule: "@every 1s" }),
          ],
          flags: ["--app-port", String(appPort), "--app-protocol", protocol],
          ports: { http: httpPort, grpc: grpcPort },
        });
        const said = () => `${app.output}\n${JSON.stringify(app.said)}\n${daemon.output()}`;
        const send = async (data: object) => {
          const { status } = await fetch(`http://127.0.0.1:${httpPort}/v1.0/bindings/events`, {
            method: "POST",
            body: JSON.stringify({ operation: "create", data, metadata: { partitionKey: "one" } }),
          });
          expect(status).toBe(204);
        };
        // Servers of HTTP take an event for JSON, as Dapr says it is.
        const texts = ["first", "refuse once", "grüße", "last"];
        for (const text of texts) await send({ text });
        const events = () => app.said.filter(({ binding }) => binding === "events");
        await until(() => events().some(({ data }) => data.includes("last")), {
          what: () => `the events:\n${said()}`,
          within: 60_000,
        });
        const seen = events().map(({ data, refused }) => [JSON.parse(data), refused] as const);
        expect(seen).toEqual([
          ...[
            [{ text: "first" }, false],
            [{ text: "refuse once" }, true],
          ],
          ...[
            [{ text: "refuse once" }, false],
            [{ text: "grüße" }, false],
            [{ text: "last" }, false],
          ],
        ]);
        await until(() => app.said.some(({ binding }) => binding === "tick"), {
          what: () => `a tick:\n${said()}`,
          within: 30_000,
        });
      },
    );
  }
});

function component(name: string, type: string, metadata: Record<string, string>) {
  return { name, type: `bindings.${type}`, metadata };
}
