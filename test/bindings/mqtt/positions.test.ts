// The cells of mqtt3 and mqtt5 in the table of docs/positions.md.
import { connectAsync } from "mqtt";
import { expect, test, vi } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import mqtt3 from "../../../src/bindings/mqtt/mqtt3/index.ts";
import mqtt5 from "../../../src/bindings/mqtt/mqtt5/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { endAfterTest, read } from "../contract.ts";

const soon = { timeout: 20_000, interval: 5 };

type Place = { readonly topic: string; readonly consumerID: string; readonly url: string };

type Version = {
  readonly binding: AnyBinding;
  readonly url: string;
  readonly protocolVersion: 4 | 5;
};

/** `begins`: how the log tells of a new session. */
async function expectWithoutPosition(version: Version, begins: string): Promise<void> {
  const properties = placeOf(version);
  await send(version, properties.topic, "before");
  await send(version, `${properties.topic}/kept`, "retained", true);
  endAfterTest(() => send(version, `${properties.topic}/kept`, "", true));
  const { app, lines } = await begin(version, { ...properties, topic: `${properties.topic}/#` });
  await send(version, properties.topic, "after");
  await vi.waitFor(() => expect(app.texts).toEqual(["retained", "after"]), soon);
  expect(app.deliveries[0]?.metadata).toMatchObject({ retained: "true" });
  expect(JSON.stringify(lines)).toContain(begins);
}

async function expectAfterGap(version: Version): Promise<void> {
  const properties = placeOf(version);
  const { app, status, lines } = await begin(version, properties);
  await send(version, properties.topic, "1");
  await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  await forget(version, properties);
  const words = `had no session of ${properties.consumerID}-consumer any more`;
  await vi.waitFor(() => expect(status().reason).toContain(words), soon);
  expect(status().state).toBe("running");
  const told = lines.filter(({ message }) => message.includes(words));
  expect(told.map(({ level }) => level)).toEqual(["warn"]);
  await send(version, properties.topic, "2");
  await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
}

async function expectGrows(version: Version): Promise<void> {
  const properties = placeOf(version);
  const { app } = await begin(version, { ...properties, topic: `${properties.topic}/+` });
  for (const name of ["a", "b", "c"]) await send(version, `${properties.topic}/${name}`, name);
  await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["a", "b", "c"]), soon);
}

/** Resolves to the subscriptions that the events came by, where the server tells. */
async function expectShrinks(
  version: Version,
): Promise<{ next: string; subscriptions: Set<string | undefined> }> {
  const properties = placeOf(version);
  const [old, next] = [`${properties.topic}/old`, `${properties.topic}/next`];
  const first = await begin(version, { ...properties, topic: old });
  await first.runtime.close();
  const { app } = await begin(version, { ...properties, topic: next });
  // The session keeps the subscription that the component does not name any more.
  await send(version, old, "old");
  await send(version, next, "next");
  await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["next", "old"]), soon);
  const subscriptions = app.deliveries.map(({ metadata }) => metadata["subscription"]);
  return { next, subscriptions: new Set(subscriptions) };
}

async function expectMadeAnew(version: Version): Promise<void> {
  const properties = placeOf(version);
  const first = await begin(version, properties);
  await first.runtime.close();
  await send(version, properties.topic, "kept");
  await forget(version, properties);
  const { app } = await begin(version, properties);
  await send(version, properties.topic, "after");
  await vi.waitFor(() => expect(app.texts).toEqual(["after"]), soon);
}

function placeOf(version: Version): Place {
  const [topic, consumerID] = [uniqueName("position"), uniqueName("shop")];
  return { topic, consumerID, url: version.url };
}

async function send(version: Version, topic: string, text: string, retain = false): Promise<void> {
  const client = await connectAsync(version.url, { protocolVersion: version.protocolVersion });
  await client.publishAsync(topic, text, { qos: 1, retain });
  await client.endAsync();
}

async function begin(version: Version, properties: Place) {
  const started = await read({ binding: version.binding }, { properties });
  await vi.waitFor(() => expect(started.status().state).toBe("running"), soon);
  return started;
}

/** Ends the session of the component, as its expiry does, and cuts its connection. */
async function forget(version: Version, { consumerID }: Place): Promise<void> {
  const clientId = `${consumerID}-consumer`;
  const protocolVersion = version.protocolVersion;
  const client = await connectAsync(version.url, { clientId, clean: true, protocolVersion });
  await client.endAsync();
}

describeWith("mosquitto", (server) => {
  const three = { binding: mqtt3, url: server.url, protocolVersion: 4 } as const;
  const five = { binding: mqtt5, url: server.url, protocolVersion: 5 } as const;

  test("mqtt3: Without a position", () =>
    expectWithoutPosition(three, "the broker begins a session"));
  test("mqtt3: After a gap", () => expectAfterGap(three));
  test("mqtt3: Grows", () => expectGrows(three));
  test("mqtt3: Shrinks", () => expectShrinks(three));
  test("mqtt3: Made anew", () => expectMadeAnew(three));

  test("mqtt5: Without a position", () =>
    expectWithoutPosition(five, "the server begins a session"));
  test("mqtt5: After a gap", () => expectAfterGap(five));
  test("mqtt5: Grows", () => expectGrows(five));
  test("mqtt5: Shrinks", async () => {
    const { next, subscriptions } = await expectShrinks(five);
    expect(subscriptions).toEqual(new Set([next, undefined]));
  });
  test("mqtt5: Made anew", () => expectMadeAnew(five));
});
