// The cells of mqtt5 in the table of docs/positions.md.
import { connectAsync } from "mqtt";
import { expect, test, vi } from "vitest";
import mqtt5 from "../../../../src/bindings/mqtt/mqtt5/index.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { endAfterTest, read } from "../../contract.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("mosquitto", (server) => {
  const place = () => ({
    topic: uniqueName("position"),
    consumerID: uniqueName("shop"),
    url: server.url,
  });
  type Place = ReturnType<typeof place>;

  const send = async (topic: string, text: string, retain = false): Promise<void> => {
    const client = await connectAsync(server.url, { protocolVersion: 5 });
    await client.publishAsync(topic, text, { qos: 1, retain });
    await client.endAsync();
  };
  const begin = async (properties: Place) => {
    const started = await read({ binding: mqtt5 }, { properties });
    await vi.waitFor(() => expect(started.status().state).toBe("running"), soon);
    return started;
  };
  /** Ends the session of the component, as its expiry does, and cuts its connection. */
  const forget = async ({ consumerID }: Place): Promise<void> => {
    const client = await connectAsync(server.url, {
      ...{ clientId: `${consumerID}-consumer`, clean: true, protocolVersion: 5 },
    });
    await client.endAsync();
  };

  test("mqtt5: Without a position", async () => {
    const properties = place();
    await send(properties.topic, "before");
    await send(`${properties.topic}/kept`, "retained", true);
    endAfterTest(() => send(`${properties.topic}/kept`, "", true));
    const { app, lines } = await begin({ ...properties, topic: `${properties.topic}/#` });
    await send(properties.topic, "after");
    await vi.waitFor(() => expect(app.texts).toEqual(["retained", "after"]), soon);
    expect(app.deliveries[0]?.metadata).toMatchObject({ retained: "true" });
    expect(JSON.stringify(lines)).toContain("the server begins a session");
  });

  test("mqtt5: After a gap", async () => {
    const properties = place();
    const { app, status, lines } = await begin(properties);
    await send(properties.topic, "1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await forget(properties);
    const words = `had no session of ${properties.consumerID}-consumer any more`;
    await vi.waitFor(() => expect(status().reason).toContain(words), soon);
    expect(status().state).toBe("running");
    const told = lines.filter(({ message }) => message.includes(words));
    expect(told.map(({ level }) => level)).toEqual(["warn"]);
    await send(properties.topic, "2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("mqtt5: Grows", async () => {
    const properties = place();
    const { app } = await begin({ ...properties, topic: `${properties.topic}/+` });
    for (const name of ["a", "b", "c"]) await send(`${properties.topic}/${name}`, name);
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["a", "b", "c"]), soon);
  });

  test("mqtt5: Shrinks", async () => {
    const properties = place();
    const [old, next] = [`${properties.topic}/old`, `${properties.topic}/next`];
    const first = await begin({ ...properties, topic: old });
    await first.runtime.close();
    const { app } = await begin({ ...properties, topic: next });
    // The session keeps the subscription that the component does not name any more.
    await send(old, "old");
    await send(next, "next");
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["next", "old"]), soon);
    const filters = app.deliveries.map(({ metadata }) => metadata["subscription"]);
    expect(new Set(filters)).toEqual(new Set([next, undefined]));
  });

  test("mqtt5: Made anew", async () => {
    const properties = place();
    const first = await begin(properties);
    await first.runtime.close();
    await send(properties.topic, "kept");
    await forget(properties);
    const { app } = await begin(properties);
    await send(properties.topic, "after");
    await vi.waitFor(() => expect(app.texts).toEqual(["after"]), soon);
  });
});
