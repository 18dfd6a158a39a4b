import { expect, onTestFinished, test, vi } from "vitest";
import { RelayWriter } from "../../src/relay/writer.ts";
import { beginAgain, namesOf, useConsumer, useStream, usualTimes } from "../../src/relay/stream.ts";
import type { RelayLink } from "../../src/relay/link.ts";
import { keepingLogger, sourceEvent } from "../runtime/source-event.ts";
import { describeWith } from "../servers/describe-with.ts";
import { uniqueName } from "../servers/unique-name.ts";
import { connectTo } from "./relay-link.ts";

describeWith("nats", (server) => {
  async function place() {
    const link = await connectTo(server.url)(AbortSignal.timeout(20_000), () => undefined);
    onTestFinished(() => link[Symbol.asyncDispose]());
    const names = namesOf(uniqueName("shop"), "orders/ü.*");
    await useStream(link, names, { partitions: 2, maxBytes: 2 ** 20, replicas: 1 });
    const messages = async (): Promise<number> =>
      (
        await link.api<{ state: { messages: number } }>(
          `STREAM.INFO.${names.stream}`,
          undefined,
          "",
        )
      ).state.messages;
    const writer = (token: number | undefined, own: RelayLink = link) => {
      const fenced = vi.fn();
      const reports: string[] = [];
      const one = new RelayWriter({
        ...{ names, partitions: 2, maxBytes: 2 ** 20, logger: keepingLogger(), token, fenced },
        link: async () => own,
        keyOf: ({ key }) => (typeof key === "string" ? key : undefined),
        unsafe: async () => undefined,
        enter: () => ({ trace: {}, stored: () => undefined, returned: () => undefined }),
        report: (text) => void reports.push(text),
        published: () => undefined,
      });
      return Object.assign(one, { fenced, reports });
    };
    return { link, names, writer, messages };
  }

  test("a writer that was followed by another one stores nothing more", async () => {
    const { writer, messages } = await place();
    const signal = new AbortController().signal;
    const [old, next] = [writer(1), writer(2)];
    await old.begin(signal);
    await next.begin(signal);
    const event = sourceEvent("late", { key: "k" });
    await old.deliver([event]);
    await vi.waitFor(() => expect(old.fenced).toHaveBeenCalledOnce());
    expect(event.settlements).toMatchObject([{ outcome: "returned" }]);
    const other = sourceEvent("in time", { key: "k" });
    await next.deliver([other]);
    await vi.waitFor(() => expect(other.settlements).toEqual([{ outcome: "handled" }]));
    // The event, and the last mark of who writes.
    expect(await messages()).toBe(2);
    await expect(old.begin(signal)).rejects.toThrow("another replica writes into the relay since");
  });

  test("an event that was published before is not there twice", async () => {
    const { writer, messages } = await place();
    const [one, other] = [writer(undefined), writer(undefined)];
    const events = ["a", "b", "c"].map((text) => sourceEvent(text, { key: text }));
    await one.deliver(events.slice(0, 2));
    await vi.waitFor(async () => expect(await messages()).toBe(2));
    await other.deliver(events);
    await vi.waitFor(() => expect(events[2]?.settlements).toHaveLength(1));
    expect(await messages()).toBe(3);
  });

  test("an event that the stream could never hold goes back, and those behind it go on", async () => {
    const { writer, messages } = await place();
    const one = writer(undefined);
    const [large, small] = [sourceEvent("x".repeat(2 ** 20)), sourceEvent("small")];
    await one.deliver([large, small]);
    await vi.waitFor(() => expect(small.settlements).toEqual([{ outcome: "handled" }]));
    expect(large.settlements).toMatchObject([{ outcome: "returned", after: 60_000 }]);
    expect(one.reports[0]).toMatch(
      /cannot be relayed: the stream holds 1048576; make relayMaxBytes/,
    );
    expect(await messages()).toBe(1);
  });

  test("one whose answer was lost publishes the same again", async () => {
    const { link, writer, messages } = await place();
    let isLost = true;
    const lossy: RelayLink = Object.create(link, {
      request: {
        value: async (...call: Parameters<RelayLink["request"]>) => {
          const answer = await link.request(...call);
          if (!isLost) return answer;
          isLost = false;
          throw new Error("no answer in time");
        },
      },
      publish: { value: (...call: Parameters<RelayLink["publish"]>) => link.publish(...call) },
      largestMessage: { value: link.largestMessage },
      driver: { value: link.driver },
    });
    const events = ["a", "b"].map((text) => ({ ...sourceEvent(text), id: undefined }));
    await writer(undefined, lossy).deliver(events);
    await vi.waitFor(() =>
      expect(events.flatMap(({ settlements }) => settlements)).toHaveLength(2),
    );
    expect(await messages()).toBe(2);
  });

  test("what is too large for the server goes back, and says so", async () => {
    const { link, writer } = await place();
    const small: RelayLink = Object.create(link, { largestMessage: { value: 2_048 } });
    const one = writer(undefined, small);
    await one.begin(new AbortController().signal);
    const event = sourceEvent("x", { data: Buffer.alloc(1024 ** 2) });
    await one.deliver([event]);
    expect(event.settlements).toMatchObject([{ outcome: "returned", after: 60_000 }]);
    expect(one.reports.join()).toContain("cannot be relayed");
  });

  test.each(["2.12.4", "2.15.0"])(
    "a consumer of NATS %s begins again in order",
    async (version) => {
      const { link, names, writer } = await place();
      const old: RelayLink = Object.create(link, {
        api: { value: (...call: Parameters<RelayLink["api"]>) => link.api(...call) },
        serverVersion: { value: version },
      });
      await useConsumer(link, names, 0, usualTimes);
      const events = ["a", "b", "c", "d"].map((text) => sourceEvent(text));
      await writer(undefined).deliver(events);
      await vi.waitFor(() =>
        expect(events.flatMap(({ settlements }) => settlements)).toHaveLength(4),
      );
      const info = () =>
        link.api<{ num_pending: number; num_ack_pending: number }>(
          `CONSUMER.INFO.${names.stream}.${names.consumer(0)}`,
          undefined,
          "",
        );
      const next = `$JS.API.CONSUMER.MSG.NEXT.${names.stream}.${names.consumer(0)}`;
      const came = Promise.withResolvers<unknown>();
      const inbox = link.driver.createInbox();
      link.subscribe(inbox, came.resolve, came.reject);
      link.publish(next, JSON.stringify({ batch: 1, group: "relay" }), inbox);
      await came.promise;
      expect(await info()).toMatchObject({ num_ack_pending: 1, num_pending: 1 });
      await beginAgain(old, names, 0, usualTimes);
      expect(await info()).toMatchObject({ num_ack_pending: 0, num_pending: 2 });
    },
  );
});
