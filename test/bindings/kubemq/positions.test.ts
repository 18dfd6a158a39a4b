// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import kubemq from "../../../src/bindings/kubemq/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { kubemqClient } from "../../servers/kubemq-client.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { endAfterTest, read } from "../contract.ts";
import { openOutput } from "../opened-output.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("kubemq", (server) => {
  function place() {
    const client = kubemqClient(server);
    endAfterTest(() => client.close());
    const channel = uniqueName("orders");
    const properties = { address: `${server.host}:${server.port}`, channel };
    const send = async (...texts: string[]) => {
      for (const text of texts) await client.send(channel, text);
    };
    return {
      ...{ client, channel, properties, send },
      begin: () => read({ binding: kubemq }, { properties }),
    };
  }

  test("kubemq: Without a position", async () => {
    const { send, begin } = place();
    await send("1", "2");
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("kubemq: After a gap", async () => {
    const { send, begin, properties } = place();
    await using output = await openOutput(kubemq, properties);
    await output.invoke("create", { expirationSeconds: "1" }, { data: "1" });
    const expired = performance.now() + 1_100;
    await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(expired), soon);
    await send("2");
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.texts).toEqual(["2"]);
  });

  test("kubemq: Grows", async () => {
    const { send, begin } = place();
    await send("1");
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await send("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("kubemq: Shrinks", async () => {
    const { send, begin, client, channel } = place();
    await send("1");
    await client.receive(channel);
    await send("2");
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.texts).toEqual(["2"]);
  });

  test("kubemq: Made anew", async () => {
    const { send, begin, client, channel } = place();
    // A queue is there while it has messages.
    await send("1");
    await client.receive(channel);
    const { app } = await begin();
    await send("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["2"]), soon);
  });
});
