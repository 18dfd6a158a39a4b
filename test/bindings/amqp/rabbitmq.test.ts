import { expect, test, vi } from "vitest";
import amqp from "../../../src/bindings/amqp/index.ts";
import { handled, refused } from "../../runtime/fake-app.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { read } from "../contract.ts";
import { openQueue } from "../opened-queue.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("rabbitmq", { own: true, plugins: ["rabbitmq_amqp1_0"] }, (server) => {
  const properties = () => ({
    url: server.url,
    address: `/queue/${uniqueName("orders")}`,
  });

  test("RabbitMQ's plugin: sends, reads, handles and gives back", async () => {
    const place = { properties: properties() };
    const queue = await openQueue(amqp, place.properties);
    for (const text of ["1", "2", "3"]) await queue.create(text, { "header:text": "grün" });
    // It would end the session of who says that it is modified.
    let attempts = 0;
    const first = await read(
      { binding: amqp },
      place,
      (text) => (text === "2" && ++attempts < 4 ? refused() : handled),
      { backOffMaxRetries: "1", onExhausted: "return" },
    );
    await vi.waitFor(() => expect(first.status()).toMatchObject({ handled: 3 }), soon);
    expect(attempts).toBe(4);
    expect(first.status().state).toBe("running");
    await first.runtime.close();
    await queue.create("4");
    const second = await read({ binding: amqp }, place);
    await vi.waitFor(() => expect(second.status().handled).toBe(1), soon);
    expect(second.app.texts).toEqual(["4"]);
  });

  test("RabbitMQ's plugin: a virtual host that is not there", async () => {
    const denied = openQueue(amqp, { ...properties(), vhost: "vhost:nosuch" });
    await expect(denied).rejects.toMatchObject({
      ...{ reason: "permission_denied", effect: "unsent" },
      message: expect.stringContaining("was refused"),
    });
  });
});
