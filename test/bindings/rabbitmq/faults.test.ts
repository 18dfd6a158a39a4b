import { expect, test } from "vitest";
import rabbitmq from "../../../src/bindings/rabbitmq/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { makeCertificates } from "../certificates.ts";
import { delivering } from "../../runtime/delivering.ts";
import { FakeApp } from "../../runtime/fake-app.ts";
import { reservePort } from "../../servers/ports.ts";
import { errorOf, handled, openQueue, textOf, until } from "../opened-queue.ts";

describeWith("rabbitmq", { own: true }, (server) => {
  const limit = 120_000;

  test("a server that restarts in the middle loses nothing", { timeout: limit }, async () => {
    const properties = { host: server.url, queueName: uniqueName("orders"), durable: "true" };
    const seen = new Set<string>();
    const sent = new Set<string>();
    let queue = await openQueue(rabbitmq, properties);
    let reading = await queue.read((event) => {
      if (Math.random() < 0.5) return "keep";
      seen.add(textOf(event));
      return handled;
    });
    for (let n = 0; n < 100; n++) {
      await queue.create(String(n));
      sent.add(String(n));
    }
    const restarted = server.restart();
    for (let n = 100; n < 200; n++) {
      // What fails is not counted as sent; it may have arrived all the same.
      await queue.create(String(n)).then(
        () => sent.add(String(n)),
        () => {},
      );
    }
    await until(() => queue.losses.length > 0 && reading.losses.length > 0);
    await restarted;
    await queue.close();
    queue = await openQueue(rabbitmq, properties);
    reading = await queue.read((event) => {
      seen.add(textOf(event));
      return handled;
    });
    await queue.create("last");
    await until(() => seen.has("last") && [...sent].every((text) => seen.has(text)));
    await reading.close();
    expect(await queue.backlog()).toBe(0);
  });

  test(
    "an event held beyond the server's limit comes again; the loss is told",
    { timeout: limit },
    async () => {
      const properties = { host: server.url, queueName: uniqueName("orders"), durable: "true" };
      const set = (name: string, value: number): Promise<string> =>
        server.ctl("eval", `application:set_env(rabbit, ${name}, ${value}).`);
      await set("consumer_timeout", 1000);
      // How often the server looks; otherwise once a minute.
      await set("channel_tick_interval", 500);
      try {
        const queue = await openQueue(rabbitmq, properties);
        const reading = await queue.read(() => "keep");
        await queue.create("slow");
        await until(() => reading.losses.length === 1);
        expect(String(reading.losses[0])).toContain("PRECONDITION_FAILED");
        await queue.close();
      } finally {
        await set("consumer_timeout", 1_800_000);
      }
      const again = await (await openQueue(rabbitmq, properties)).read();
      await until(() => again.texts.includes("slow"));
    },
  );

  test(
    "what waits longer than the server's limit is returned before, and comes in order",
    { timeout: limit },
    async () => {
      const queueName = uniqueName("orders");
      const properties = { host: server.url, queueName, consumerTimeout: "3" };
      const set = (name: string, value: number): Promise<string> =>
        server.ctl("eval", `application:set_env(rabbit, ${name}, ${value}).`);
      await set("consumer_timeout", 6000);
      await set("channel_tick_interval", 500);
      try {
        const queue = await openQueue(rabbitmq, properties);
        const app = new FakeApp();
        app.available = false;
        const { delivery } = delivering(app, { orderKey: "header:order" });
        const reading = await queue.read((event) => {
          void delivery.deliver([event]);
          return "keep";
        });
        const texts = ["1", "2", "3", "4"];
        for (const text of texts) await queue.create(text, { order: text === "4" ? "b" : "a" });
        // Beyond what the server would have borne.
        await until(() => reading.events.length >= 4 * texts.length);
        expect(reading.losses).toEqual([]);
        app.available = true;
        await until(() => app.texts.length === texts.length);
        expect(app.texts.filter((text) => text !== "4")).toEqual(["1", "2", "3"]);
        await reading.reader.flush();
        expect(await queue.backlog()).toBe(0);
      } finally {
        await set("consumer_timeout", 1_800_000);
      }
    },
  );

  test(
    "while the server takes no messages, sending fails at once and reading goes on",
    { timeout: limit },
    async () => {
      const queue = await openQueue(rabbitmq, {
        host: server.url,
        queueName: uniqueName("orders"),
      });
      const reading = await queue.read(() => "keep");
      await queue.create("before");
      await until(() => reading.events.length === 1);
      await server.ctl("set_vm_memory_high_watermark", "absolute", "1MB");
      try {
        // The server tells a connection that it is blocked when that one next sends.
        const blocked = await errorOf(
          (async () => {
            for (;;)
              await queue.create("more", {}, AbortSignal.timeout(500)).catch((error: unknown) => {
                if ((error as { systemCode?: string }).systemCode === "blocked") throw error;
              });
          })(),
        );
        expect(blocked).toMatchObject({ reason: "unavailable", effect: "unsent" });
        reading.events[0]?.settle(handled);
        await reading.reader.flush();
      } finally {
        await server.ctl("set_vm_memory_high_watermark", "0.4");
      }
      await until(
        async () =>
          (await queue.create("after", {}, AbortSignal.timeout(500)).catch(() => "no")) ===
          undefined,
      );
      await until(() => reading.texts.includes("after"));
    },
  );

  test("texts in headers that are not UTF-8 keep their bytes", { timeout: limit }, async () => {
    const queueName = uniqueName("orders");
    const queue = await openQueue(rabbitmq, { host: server.url, queueName });
    const reading = await queue.read();
    // As .NET clients send them; beside them what has to be stepped over to find them.
    await server.ctl(
      "eval",
      `Exchange = rabbit_misc:r(<<"/">>, exchange, <<>>),
       Headers = [{<<"first">>, table, [{<<"raw">>, longstr, <<1>>}]}, {<<"list">>, array, [{long, 1}]},
         {<<"byte">>, byte, 1}, {<<"short">>, short, 1}, {<<"int">>, signedint, 1}, {<<"long">>, long, 1},
         {<<"double">>, double, 1.5}, {<<"bool">>, bool, true}, {<<"void">>, void, undefined},
         {<<"time">>, timestamp, 1}, {<<"decimal">>, decimal, {1, 2}}, {<<"bin">>, binary, <<255>>},
         {<<"raw">>, longstr, <<16#66, 255, 254, 0>>}],
       Message = rabbit_basic:message(Exchange, <<"${queueName}">>,
         [{headers, Headers}, {content_type, <<"text/plain">>}, {content_encoding, <<"x">>}], <<"body">>),
       rabbit_basic:publish(rabbit_basic:delivery(false, false, Message, undefined)).`,
    );
    await until(() => reading.events.length === 1);
    const raw = reading.events[0]?.headers.find(({ name }) => name === "raw")?.value;
    expect(Buffer.from(raw ?? []).toString("hex")).toBe("66fffe00");
  });

  test("a full queue's refusal is told", { timeout: limit }, async () => {
    const queueName = uniqueName("orders");
    await server.ctl(
      "set_policy",
      "full",
      queueName,
      '{"max-length":1,"overflow":"reject-publish"}',
    );
    const queue = await openQueue(rabbitmq, { host: server.url, queueName });
    await queue.create("fits");
    const refused = await errorOf(
      (async () => {
        for (;;) await queue.create("too many");
      })(),
    );
    expect(refused).toMatchObject({ reason: "unavailable", systemCode: "nack" });
  });

  /** A user with these rights: what it may configure, write and read. */
  async function user(...rights: [string, string, string]): Promise<string> {
    const name = uniqueName("user");
    await server.ctl("add_user", name, "hidden");
    await server.ctl("set_permissions", name, ...rights);
    return server.url.replace("guest:guest", `${name}:hidden`);
  }
  const none = "^$";

  test("each operation asks for its own right alone", { timeout: 60_000 }, async () => {
    const queueName = uniqueName("rights");
    const properties = (host: string) => ({ host, queueName, durable: "true" });
    const input = { directions: { input: true, output: false } };
    const output = { directions: { input: false, output: true } };
    const [reader, writer, nobody] = [
      await user(none, none, `^${queueName}$`),
      await user(none, "^amq\\.default$", none),
      await user(none, none, none),
    ];
    const missing = await errorOf(openQueue(rabbitmq, properties(reader), input));
    expect(missing).toMatchObject({ reason: "permission_denied" });
    expect(String(missing)).toContain("make the queue, or grant the user configure on it");

    // Who may configure it makes it; that is not asked of the others.
    await openQueue(rabbitmq, properties(await user(`^${queueName}$`, none, none)), output);
    const sending = await openQueue(rabbitmq, properties(writer), output);
    const receiving = await openQueue(rabbitmq, properties(reader), input);
    const reading = await receiving.read();
    await sending.create("x");
    await until(() => reading.texts.includes("x"));
    await reading.reader.flush();
    await receiving.ping();
    expect(await receiving.backlog()).toBe(0);
    expect([...sending.notices, ...receiving.notices]).toEqual([]);

    const denied = await errorOf((await openQueue(rabbitmq, properties(writer), input)).read());
    expect(denied).toMatchObject({ reason: "permission_denied", systemCode: "403" });
    expect(String(denied)).toContain("grant this user read on it");
    const silent = await openQueue(rabbitmq, properties(nobody), output);
    const unsent = await errorOf(silent.create("x"));
    expect(unsent).toMatchObject({ reason: "permission_denied", effect: "rejected" });
    expect(String(unsent)).toContain("grant this user write on exchange amq.default");
  });
});

const certificates = makeCertificates();
const tlsPort = await reservePort();

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
    const host = `amqps://guest:guest@localhost:${tlsPort}`;
    const files = {
      caCert: certificates.ca,
      clientCert: certificates.client.cert,
      clientKey: certificates.client.key,
    };

    test(
      "speaks TLS with a client's certificate, by password or by the certificate alone",
      { timeout: 120_000 },
      async () => {
        const queueName = uniqueName("orders");
        const queue = await openQueue(rabbitmq, { host, queueName, ...files });
        const reading = await queue.read();
        await queue.create("by password");
        await until(() => reading.texts.includes("by password"));

        const external = {
          host: `amqps://localhost:${tlsPort}`,
          queueName,
          ...files,
          saslExternal: "true",
        };
        expect(await errorOf(openQueue(rabbitmq, external))).toMatchObject({
          reason: "unauthenticated",
        });
        await server.ctl("add_user", "client", "unused");
        await server.ctl("set_permissions", "client", ".*", ".*", ".*");
        const certified = await openQueue(rabbitmq, external);
        await certified.create("by certificate");
        await until(() => reading.texts.includes("by certificate"));
      },
    );

    test("refuses an authority it does not know and text that is no PEM", async () => {
      const properties = { host, queueName: uniqueName("orders") };
      expect(
        await errorOf(openQueue(rabbitmq, { ...properties, ...files, caCert: "" })),
      ).toMatchObject({
        reason: "unavailable",
        effect: "unsent",
      });
      await expect(
        openQueue(rabbitmq, { ...properties, ...files, caCert: "/etc/ca.pem" }),
      ).rejects.toThrow("caCert is not in PEM");
      await expect(
        openQueue(rabbitmq, { ...properties, caCert: files.caCert, clientCert: files.clientCert }),
      ).rejects.toThrow("clientCert without clientKey");
    });
  },
);
