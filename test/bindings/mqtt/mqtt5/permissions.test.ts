import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import mqtt5 from "../../../../src/bindings/mqtt/mqtt5/index.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { errorOf, openQueue, until } from "../../opened-queue.ts";

// What a user must be allowed, as the page lists it.
const folder = mkdtempSync(join(tmpdir(), "cufflink-mqtt-"));
afterAll(() => rmSync(folder, { recursive: true }));
const rules = join(folder, "rules");
writeFileSync(
  rules,
  ["user reader", "topic read orders/#", "user writer", "topic write orders/#", ""].join("\n"),
);

describeWith("mosquitto", { own: true, config: [`acl_file ${rules}`] }, (server) => {
  const properties = (user: string) => ({
    ...{ url: server.url, username: user, password: "none" },
    topic: `orders/${uniqueName("one")}`,
    consumerID: uniqueName("shop"),
  });
  const input = { directions: { input: true, output: false } };
  const output = { directions: { input: false, output: true } };

  test("reading needs read on the topic, sending write, and the heartbeat nothing", async () => {
    const reader = properties("reader");
    const receiving = await openQueue(mqtt5, reader, input);
    const reading = await receiving.read();
    const sending = await openQueue(
      mqtt5,
      { ...properties("writer"), topic: reader.topic },
      output,
    );
    await sending.create("x");
    await until(() => reading.texts.includes("x"));
    await reading.reader.flush();
    await receiving.ping();
    await sending.ping();
  });

  test.each(["1", "2"])("QoS %s: what may not be sent is refused by name", async (qos) => {
    const denied = await openQueue(mqtt5, { ...properties("reader"), qos }, output);
    const error = await errorOf(denied.create("denied"));
    expect(error).toMatchObject({
      ...{ reason: "permission_denied", effect: "rejected", systemCode: "0x87" },
    });
    expect(String(error)).toContain("Not authorized (0x87)");
  });
});
