// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import nats from "../../../src/bindings/nats/index.ts";
import type { Outcome } from "../../../src/runtime/app.ts";
import { handled } from "../../runtime/fake-app.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { read } from "../contract.ts";
import { makeStream, natsClient } from "./contract-source.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("nats", (server) => {
  async function place(more: object = {}) {
    const client = natsClient(server);
    const stream = await makeStream(client, more);
    const send = async (...texts: string[]): Promise<void> => {
      for (const text of texts) await client.store(`${stream}.${text}`, text);
    };
    const begin = (
      values: Record<string, string> = {},
      answer: (text: string) => Outcome | Promise<Outcome> = () => handled,
    ) => {
      const properties = { servers: server.url, stream, consumer: "shop", ackWait: "1s" };
      return read({ binding: nats }, { properties }, answer, values);
    };
    return { client, stream, send, begin };
  }

  test.each([
    [{}, ["4"]],
    [{ startFrom: "oldest" }, ["1", "2", "3", "4"]],
    [{ startFrom: "last" }, ["3", "4"]],
    [{ startSequence: "2" }, ["2", "3", "4"]],
    [{ startTime: "2020-01-01T00:00:00Z" }, ["1", "2", "3", "4"]],
  ])("nats: %j", async (values, expected) => {
    const { send, begin } = await place();
    await send("1", "2", "3");
    const { app, status } = await begin(values);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await send("4");
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(expected), soon);
  });

  test("nats: Without a position", async () => {
    const { client, stream, send, begin } = await place();
    await send("1");
    const config = { durable_name: "shop", ack_policy: "explicit", deliver_policy: "all" };
    await client.api(`CONSUMER.CREATE.${stream}.shop`, { stream_name: stream, config });
    const { app } = await begin({ startFrom: "newest" });
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  });

  test("nats: After a gap", async () => {
    const { send, begin } = await place({ max_msgs: 2 });
    await send("1", "2", "3", "4");
    const { app } = await begin({ startFrom: "oldest" });
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["3", "4"]), soon);
  });

  test("nats: Grows", async () => {
    const { stream, send, begin } = await place();
    const { app, status } = await begin({ filterSubjects: `${stream}.*` });
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    const texts = Array.from({ length: 200 }, (_, n) => String(n));
    await send(...texts, "deeper.one");
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(texts.toSorted()), soon);
  });

  test("nats: Shrinks", async () => {
    const { client, stream, send, begin } = await place();
    await send("1", "2", "3");
    const answer = Promise.withResolvers<Outcome>();
    const { app, status } = await begin(
      { startFrom: "oldest", maxInFlight: "1" },
      () => answer.promise,
    );
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await client.api(`STREAM.PURGE.${stream}`);
    await send("4");
    answer.resolve(handled);
    await vi.waitFor(() => expect(app.texts.at(-1)).toBe("4"), soon);
    expect(app.texts).not.toContain("3");
    expect(status().state).toBe("running");
  });

  test("nats: Made anew", async () => {
    const { client, stream, send, begin } = await place();
    const first = await begin({ startFrom: "oldest" });
    await send("1", "2");
    await vi.waitFor(() => expect(first.status().handled).toBe(2), soon);
    // The consumer alone: nothing is skipped, nothing comes again.
    await client.api(`CONSUMER.DELETE.${stream}.shop`);
    await send("3");
    await vi.waitFor(() => expect(first.app.texts).toEqual(["1", "2", "3"]), soon);
    // The stream: its messages are others, whatever their sequence.
    await client.api(`STREAM.DELETE.${stream}`);
    await vi.waitFor(() => expect(first.status().reason).toContain("stream not found"), soon);
    await client.api(`STREAM.CREATE.${stream}`, { name: stream, subjects: [`${stream}.>`] });
    await send("4");
    await vi.waitFor(() => expect(first.app.texts).toEqual(["1", "2", "3", "4"]), soon);
  });
});
