import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import mqtt3 from "../../../../src/bindings/mqtt/mqtt3/index.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { openQueue, until } from "../../opened-queue.ts";

// What a user must be allowed, as the page lists it.
const folder = mkdtempSync(join(tmpdir(), "cufflink-mqtt-"));
afterAll(() => rmSync(folder, { recursive: true }));
const rules = join(folder, "rules");
writeFileSync(
  rules,
  ["user reader", "topic read orders/#", "user writer", "topic write orders/#", ""].join("\n"),
);

describeWith("mosquitto", { own: true, config: [`acl_file ${rules}`] }, (broker) => {
  const properties = (user: string) => ({
    url: broker.url.replace("mqtt://", `mqtt://${user}:none@`),
    topic: `orders/${uniqueName("one")}`,
    consumerID: uniqueName("shop"),
  });
  const input = { directions: { input: true, output: false } };
  const output = { directions: { input: false, output: true } };

  test("reading needs read on the topic, sending write, and the heartbeat nothing", async () => {
    const reader = properties("reader");
    const receiving = await openQueue(mqtt3, reader, input);
    const reading = await receiving.read();
    const sending = await openQueue(
      mqtt3,
      { ...properties("writer"), topic: reader.topic },
      output,
    );
    await sending.create("x");
    await until(() => reading.texts.includes("x"));
    await reading.reader.flush();
    await receiving.ping();
    await sending.ping();
  });

  test("Mosquitto takes over and throws away what may not be sent: MQTT 3.1.1 has no word for it", async () => {
    const reader = properties("reader");
    const reading = await (await openQueue(mqtt3, reader, input)).read();
    const denied = await openQueue(mqtt3, { ...properties("reader"), topic: reader.topic }, output);
    await denied.create("denied");
    const allowed = await openQueue(
      mqtt3,
      { ...properties("writer"), topic: reader.topic },
      output,
    );
    await allowed.create("allowed");
    await until(() => reading.texts.includes("allowed"));
    expect(reading.texts).toEqual(["allowed"]);
  });
});
