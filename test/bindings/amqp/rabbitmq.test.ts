import { expect, test, vi } from "vitest";
import amqp from "../../../src/bindings/amqp/index.ts";
import { handled, refused } from "../../runtime/fake-app.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { read } from "../contract.ts";
import { openQueue } from "../opened-queue.ts";

describeWith("rabbitmq", { own: true, plugins: ["rabbitmq_amqp1_0"] }, (server) => {
  const properties = () => ({
    url: server.url,
    address: `/queue/${uniqueName("orders")}`,
    returnAs: "released",
  });

  test("RabbitMQ's plugin: sends, reads, handles and gives back", async () => {
    const place = { properties: properties() };
    const queue = await openQueue(amqp, place.properties);
    for (const text of ["1", "2", "3"]) await queue.create(text);
    const first = await read({ binding: amqp }, place, (text) =>
      text === "2" ? refused() : handled,
    );
    await vi.waitFor(() => expect(first.status().handled).toBe(2), { timeout: 10_000 });
    await first.runtime.close();
    const second = await read({ binding: amqp }, place);
    await vi.waitFor(() => expect(second.status().handled).toBe(1), { timeout: 10_000 });
    expect(second.app.texts).toEqual(["2"]);
    await second.runtime.close();
    await queue.create("4");
    const third = await read({ binding: amqp }, place);
    await vi.waitFor(() => expect(third.app.texts).toEqual(["4"]), { timeout: 10_000 });
  });

  test("RabbitMQ's plugin: a virtual host that is not there, a wrong password", async () => {
    await expect(openQueue(amqp, { ...properties(), vhost: "vhost:nosuch" })).rejects.toThrow(/x/);
  });
});
