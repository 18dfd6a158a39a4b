import { expect, test } from "vitest";
import mqtt3 from "../../../../src/bindings/mqtt/mqtt3/index.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { reservePort } from "../../../servers/ports.ts";
import { makeCertificates } from "../../certificates.ts";
import { errorOf, handled, openQueue, textOf, until } from "../../opened-queue.ts";

describeWith("mosquitto", { own: true }, (broker) => {
  test("a broker that restarts in the middle loses nothing", { timeout: 60_000 }, async () => {
    const properties = {
      url: broker.url,
      topic: uniqueName("orders"),
      consumerID: uniqueName("shop"),
    };
    const seen = new Set<string>();
    const sent = new Set<string>();
    const queue = await openQueue(mqtt3, properties);
    const reading = await queue.read((event) => {
      if (Math.random() < 0.5) return { outcome: "returned", reason: "not yet" };
      seen.add(textOf(event));
      return handled;
    });
    const send = async (n: number): Promise<void> => {
      // What fails is not counted as sent; it may have arrived all the same.
      await queue.create(String(n)).then(
        () => sent.add(String(n)),
        () => {},
      );
    };
    for (let n = 0; n < 100; n++) await send(n);
    const restarted = broker.restart();
    for (let n = 100; n < 200; n++) await send(n);
    await until(() => queue.losses.length > 0 && reading.losses.length > 0);
    await restarted;
    await queue.close();
    const next = await openQueue(mqtt3, properties);
    await next.read((event) => {
      seen.add(textOf(event));
      return handled;
    });
    await next.create("last");
    sent.add("last");
    await until(
      () => seen.has("last") && [...sent].every((text) => seen.has(text)),
      () => [...sent].filter((text) => !seen.has(text)),
    );
    expect(sent.size).toBeGreaterThanOrEqual(101);
  });
});

const certificates = makeCertificates();
const [tlsPort, webSocketPort, wssPort] = [
  await reservePort(),
  await reservePort(),
  await reservePort(),
];
const tls = [
  `cafile ${certificates.caPath}`,
  `certfile ${certificates.server.certPath}`,
  `keyfile ${certificates.server.keyPath}`,
];

describeWith(
  "mosquitto",
  {
    own: true,
    config: [
      `listener ${tlsPort} 127.0.0.1`,
      ...tls,
      "require_certificate true",
      `listener ${webSocketPort} 127.0.0.1`,
      "protocol websockets",
      `listener ${wssPort} 127.0.0.1`,
      "protocol websockets",
      ...tls,
    ],
  },
  () => {
    const files = {
      caCert: certificates.ca,
      clientCert: certificates.client.cert,
      clientKey: certificates.client.key,
    };
    const addresses = [
      ["ssl", `ssl://localhost:${tlsPort}`, files],
      ["ws", `ws://127.0.0.1:${webSocketPort}/mqtt`, {}],
      ["wss", `wss://localhost:${wssPort}/mqtt`, { caCert: files.caCert }],
    ] as const;

    test.for(addresses)("speaks %s", async ([, url, certificates]) => {
      const properties = {
        url,
        topic: uniqueName("orders"),
        consumerID: uniqueName("shop"),
        ...certificates,
      };
      const queue = await openQueue(mqtt3, properties);
      const reading = await queue.read();
      // Mosquitto 2.0 sends 4 KiB of a WebSocket's every 100 ms.
      const large = "x".repeat(url.startsWith("ws") ? 10_000 : 1024 * 1024);
      await queue.create("hello");
      await queue.create(large);
      await until(() => reading.events.length === 2);
      expect(reading.texts[0]).toBe("hello");
      expect(reading.texts[1] === large).toBe(true);
      await reading.reader.flush();
    });

    test("refuses a broker whose authority it does not know, or that does not know it", async () => {
      const properties = {
        url: `mqtts://localhost:${tlsPort}`,
        topic: "x",
        consumerID: uniqueName("shop"),
      };
      const unknown = await errorOf(openQueue(mqtt3, properties));
      expect(unknown).toMatchObject({ reason: "unavailable", effect: "unsent" });
      expect(String(unknown)).toMatch(/certificate/i);
      await expect(openQueue(mqtt3, { ...properties, caCert: files.caCert })).rejects.toMatchObject(
        {
          effect: "unsent",
        },
      );
    });
  },
);
