// The scenarios of Dapr's certification of the RabbitMQ binding, under their names, with sidecars, apps and a real server.
import { randomUUID } from "node:crypto";
import { connect } from "amqplib";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { makeCertificates } from "../bindings/certificates.ts";
import type { ComponentYaml } from "../e2e/daemon.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { startProxy } from "../servers/proxy.ts";
import { until } from "../until.ts";
import { startApp, type App } from "./app.ts";
import { expectInvoked, invoke, durationOf, pause, startSidecar, untilState } from "./sidecar.ts";

const limit = { timeout: 180_000 };
const certificates = makeCertificates();
afterAll(() => certificates.remove());
const tlsPort = await reservePort();

function queue(host: string, metadata: Record<string, string>): ComponentYaml {
  return { name: "jobs", type: "bindings.rabbitmq", metadata: { host, ...metadata } };
}

/** Waits until the app has handled each of these texts. */
async function untilHandled(app: App, texts: readonly string[], output: () => string) {
  const open = (): string[] => {
    const handled = new Set(app.texts());
    return texts.filter((text) => !handled.has(JSON.stringify(text)));
  };
  await until(() => open().length === 0, {
    what: () => `${open().length} events:\n${output().slice(-4000)}`,
    within: 90_000,
  });
}

describeWith(
  "rabbitmq",
  {
    own: true,
    plugins: ["rabbitmq_auth_mechanism_ssl"],
    config: [
      `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
      `ssl_options.cacertfile = ${certificates.caPath}`,
      `ssl_options.certfile = ${certificates.server.certPath}`,
      `ssl_options.keyfile = ${certificates.server.keyPath}`,
      "ssl_options.verify = verify_peer",
      "ssl_options.fail_if_no_peer_cert = true",
      "auth_mechanisms.1 = EXTERNAL",
      "auth_mechanisms.2 = PLAIN",
      "ssl_cert_login_from = common_name",
    ],
  },
  (server) => {
    /** What the server says of the queues whose names begin so, by the rest of their names. */
    async function described(prefix: string): Promise<Record<string, string>> {
      const columns = ["name", "durable", "auto_delete", "exclusive", "arguments"];
      const lines = (await server.ctl("list_queues", ...columns)).split("\n");
      return Object.fromEntries(
        lines
          .filter((line) => line.startsWith(`${prefix}-`))
          .map((line) => line.slice(prefix.length + 1))
          .map((line) => [line.slice(0, line.indexOf("\t")), line.slice(line.indexOf("\t") + 1)]),
      );
    }

    test("queues are durable, deleted when unused, with priorities, exclusive", limit, async () => {
      const app = await startApp(["durable", "unused", "priorities", "exclusive"]);
      const name = uniqueName("options");
      const component = (which: string, metadata: Record<string, string>): ComponentYaml => ({
        ...queue(server.url, { queueName: `${name}-${which}`, ...metadata }),
        name: which,
      });
      const daemon = await startSidecar(
        [
          component("durable", { durable: "true" }),
          component("unused", { deleteWhenUnused: "true" }),
          component("priorities", { durable: "true", maxPriority: "10" }),
          component("exclusive", { exclusive: "true" }),
        ],
        { appPort: app.port },
      );
      for (const which of ["durable", "unused", "priorities", "exclusive"]) {
        await untilState(daemon, which);
        if (which !== "exclusive") await expectInvoked(daemon, which, "create", { data: which });
      }
      await until(() => app.handled.length === 3, { what: "an event of each" });
      expect(await described(name)).toEqual({
        durable: "true\tfalse\tfalse\t[]",
        unused: "false\ttrue\tfalse\t[]",
        priorities: `true\tfalse\tfalse\t[{"x-max-priority",10}]`,
        exclusive: "false\tfalse\ttrue\t[]",
      });
      expect(await daemon.end()).toBe(0);
      await until(
        async () =>
          Object.keys(await described(name))
            .toSorted()
            .join() === "durable,priorities",
        { what: "the queues that are not used to be gone" },
      );
    });

    test(
      "time to live: the queue's, a message's, and a message's over the queue's",
      limit,
      async () => {
        const name = uniqueName("ttl");
        const output = (which: string, metadata: Record<string, string> = {}): ComponentYaml => ({
          ...queue(server.url, { queueName: `${name}-${which}`, durable: "true", ...metadata }),
          name: which,
        });
        const outputs = [
          output("queue", { ttl: "1s" }),
          output("message"),
          output("both", { ttl: "600s" }),
        ];
        const sender = await startSidecar(outputs);
        for (const { name } of outputs) await untilState(sender, name);
        await expectInvoked(sender, "queue", "create", { data: "gone by the queue" });
        await expectInvoked(sender, "message", "create", { data: "gone", ttlInSeconds: "1" });
        await expectInvoked(sender, "message", "create", { data: "stays" });
        await expectInvoked(sender, "both", "create", { data: "gone first", ttlInSeconds: "1" });
        await expectInvoked(sender, "both", "create", { data: "stays too" });
        const model = await connect(server.url);
        onTestFinished(() => model.close());
        const channel = await model.createChannel();
        const counts = async (): Promise<string> => {
          const found = outputs.map(({ name: which }) => channel.checkQueue(`${name}-${which}`));
          return (await Promise.all(found)).map(({ messageCount }) => messageCount).join();
        };
        await until(async () => (await counts()) === "0,1,1", {
          what: "the messages to expire",
          within: 20_000,
        });
        const app = await startApp(["queue", "message", "both"]);
        const reader = await startSidecar(outputs, { appPort: app.port });
        await untilHandled(app, ["stays", "stays too"], () => reader.output());
        expect(app.texts().toSorted()).toEqual(['"stays too"', '"stays"']);
      },
    );

    test("retry: the app answers every 10th event with an error", limit, async () => {
      const app = await startApp(["jobs"], { errorEvery: 10 });
      const component = queue(server.url, { queueName: uniqueName("retry"), durable: "true" });
      const daemon = await startSidecar([component], { appPort: app.port });
      await untilState(daemon, "jobs");
      const texts = Array.from({ length: 100 }, () => randomUUID());
      for (const data of texts) await expectInvoked(daemon, "jobs", "create", { data });
      await untilHandled(app, texts, () => daemon.output());
      expect(app.refusals).toBeGreaterThanOrEqual(10);
      expect(app.handled).toHaveLength(100);
    });

    test("the network is cut for 30 s", limit, async () => {
      await using proxy = await startProxy(server);
      const { username, password } = new URL(server.url);
      const cut = `amqp://${username}:${password}@${proxy.host}:${proxy.port}`;
      const app = await startApp(["jobs"]);
      const metadata = { queueName: uniqueName("cut"), durable: "true" };
      const daemon = await startSidecar([queue(cut, metadata)], { appPort: app.port });
      await untilState(daemon, "jobs");
      const model = await connect(server.url);
      onTestFinished(() => model.close());
      const channel = await model.createConfirmChannel();
      const texts: string[] = [];
      const ended = performance.now() + durationOf(30);
      const send = async (): Promise<void> => {
        const text = randomUUID();
        channel.sendToQueue(metadata.queueName, Buffer.from(JSON.stringify(text)), {
          persistent: true,
        });
        await channel.waitForConfirms();
        texts.push(text);
      };
      for (let number = 0; number < 20; number++) await send();
      await until(() => app.handled.length > 0, { what: "a first event" });
      proxy.stall();
      while (performance.now() < ended) {
        await send();
        await pause(20);
      }
      proxy.heal();
      await untilHandled(app, texts, () => daemon.output());
      await untilState(daemon, "jobs");
      expect((await invoke(daemon, "jobs", "create", { data: "after" })).ok).toBe(true);
      await untilHandled(app, ["after"], () => daemon.output());
    });

    test("mutual TLS, and SASL EXTERNAL by the client's certificate", limit, async () => {
      const files = {
        caCert: certificates.ca,
        clientCert: certificates.client.cert,
        clientKey: certificates.client.key,
      };
      const queueName = uniqueName("tls");
      await server.ctl("add_user", "client", "unused");
      await server.ctl("set_permissions", "client", ".*", ".*", ".*");
      const app = await startApp(["jobs"]);
      const daemon = await startSidecar(
        [
          queue(`amqps://guest:guest@localhost:${tlsPort}`, { queueName, ...files }),
          {
            ...queue(`amqps://localhost:${tlsPort}`, {
              ...{ queueName, direction: "output", saslExternal: "true" },
              ...files,
            }),
            name: "external",
          },
        ],
        { appPort: app.port },
      );
      await untilState(daemon, "jobs");
      await untilState(daemon, "external");
      await expectInvoked(daemon, "external", "create", { data: "by certificate" });
      await expectInvoked(daemon, "jobs", "create", { data: "by password" });
      await untilHandled(app, ["by certificate", "by password"], () => daemon.output());
    });

    test("metadata of a message reaches the app", limit, async () => {
      const app = await startApp(["jobs"]);
      const component = queue(server.url, { queueName: uniqueName("metadata"), maxPriority: "9" });
      const daemon = await startSidecar([component], { appPort: app.port });
      await untilState(daemon, "jobs");
      const sent = {
        contentType: "application/json",
        messageID: "m-1",
        correlationID: "c-1",
        type: "order.created",
        priority: "3",
      };
      await expectInvoked(daemon, "jobs", "create", { data: "described", tenant: "blue", ...sent });
      await untilHandled(app, ["described"], () => daemon.output());
      expect(app.handled[0]?.metadata).toMatchObject({
        contentType: "application/json",
        messageId: "m-1",
        correlationId: "c-1",
        type: "order.created",
        priority: "3",
        tenant: "blue",
      });
    });
  },
);
