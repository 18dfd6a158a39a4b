import { afterAll, expect, test } from "vitest";
import mqtt5 from "../../../../src/bindings/mqtt/mqtt5/index.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { reservePort } from "../../../servers/ports.ts";
import { makeCertificates } from "../../certificates.ts";
import { errorOf, openQueue, until } from "../../opened-queue.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());
const [tlsPort, webSocketPort] = [await reservePort(), await reservePort()];

describeWith(
  "mosquitto",
  {
    own: true,
    config: [
      `listener ${tlsPort} 127.0.0.1`,
      `cafile ${certificates.caPath}`,
      `certfile ${certificates.server.certPath}`,
      `keyfile ${certificates.server.keyPath}`,
      "require_certificate true",
      `listener ${webSocketPort} 127.0.0.1`,
      "protocol websockets",
    ],
  },
  () => {
    const files = {
      caCert: certificates.ca,
      clientCert: certificates.client.cert,
      clientKey: certificates.client.key,
    };
    const place = (url: string, more: Record<string, string> = {}) => ({
      ...{ url, topic: uniqueName("orders"), consumerID: uniqueName("shop"), ...more },
    });

    test.for([
      ["TLS with certificates", `mqtts://localhost:${tlsPort}`, files],
      ["WebSocket", `ws://127.0.0.1:${webSocketPort}/mqtt`, {}],
    ] as const)("speaks %s", async ([, url, more]) => {
      const queue = await openQueue(mqtt5, place(url, more));
      const reading = await queue.read();
      for (const qos of ["0", "1", "2"]) await queue.create(`QoS ${qos}`, { qos });
      await until(() => reading.events.length === 3);
      expect(reading.texts.toSorted()).toEqual(["QoS 0", "QoS 1", "QoS 2"]);
      await reading.reader.flush();
      expect([reading.losses, queue.losses]).toEqual([[], []]);
    });

    test("refuses a server whose authority it does not know, or that does not know it", async () => {
      const properties = place(`mqtts://localhost:${tlsPort}`);
      const unknown = await errorOf(openQueue(mqtt5, properties));
      expect(unknown).toMatchObject({ reason: "unavailable", effect: "unsent" });
      expect(String(unknown)).toMatch(/certificate/i);
      const nameless = openQueue(mqtt5, { ...properties, caCert: files.caCert });
      await expect(nameless).rejects.toMatchObject({ effect: "unsent" });
    });
  },
);
