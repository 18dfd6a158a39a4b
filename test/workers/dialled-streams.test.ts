import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AppMessageSchema } from "../../gen/cufflink/v1/event_streams_pb.ts";
import { DialledStreams } from "../../src/app/dialled-streams.ts";
import { until } from "../until.ts";

type Message = Parameters<typeof create<typeof AppMessageSchema>>[1];

const encoded = (message: Message): Uint8Array =>
  toBinary(AppMessageSchema, create(AppMessageSchema, message));

/** Streams over two threads, what these were told, and the app's side of one stream. */
function createStreams(present = new Set([0, 1])) {
  const told: string[] = [];
  const streams = new DialledStreams({
    count: 2,
    has: (thread) => present.has(thread),
    send(thread, _, message) {
      const { subscription, credit, handled, settlements } = fromBinary(AppMessageSchema, message);
      const what = [
        subscription && "subscription",
        credit > 0 && `credit ${credit}`,
        handled.length > 0 && `handled ${handled.join()}`,
        settlements.length > 0 && `settled ${settlements.map(({ delivery }) => delivery).join()}`,
      ];
      told.push(`${thread}: ${what.filter(Boolean).join(" ")}`);
    },
    recall: (thread) => told.push(`${thread}: recall`),
    end: (thread, _, reason, properly) => told.push(`${thread}: end ${properly} ${reason}`),
  });
  const said: Uint8Array[] = [];
  let wake: (() => void) | undefined;
  const over = new AbortController();
  async function* messages(): AsyncGenerator<Uint8Array> {
    while (!over.signal.aborted || said.length > 0) {
      const message = said.shift();
      if (message === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else yield message;
    }
  }
  const answers = streams.accept(messages());
  const say = (message: Message): void => {
    said.push(encoded(message));
    wake?.();
  };
  const hangUp = (): void => {
    over.abort();
    wake?.();
  };
  return { streams, told, answers, say, hangUp, present };
}

test("each thread gets the subscription, what it delivered, and credit as it needs it", async () => {
  const { streams, told, answers, say, hangUp } = createStreams();
  const first = answers.next();
  say({ subscription: { bindings: ["orders"] }, credit: 4 });
  await until(() => told.length === 2, { what: () => told.join() });
  expect(told.splice(0)).toEqual(["0: subscription", "1: subscription"]);
  streams.needed(1, 1);
  expect(told.splice(0)).toEqual(["1: credit 4"]);
  const taken = streams.batch(1, 1, Buffer.from("batch"), 3);
  expect(Buffer.from((await first).value ?? []).toString()).toBe("batch");
  await taken;
  streams.needed(0, 1);
  expect(told.splice(0)).toEqual(["1: recall"]);
  streams.returned(1, 1, 1);
  expect(told.splice(0)).toEqual(["0: credit 1"]);
  say({ handled: [3, 4, 5], settlements: [{ delivery: 7 }] });
  await until(() => told.length === 2, { what: () => told.join() });
  expect(told.splice(0)).toEqual(["0: handled 4", "1: handled 3,5 settled 7"]);
  const last = answers.next();
  hangUp();
  expect((await last).done).toBe(true);
  expect(told).toEqual([
    "0: end true the app ended its event stream",
    "1: end true the app ended its event stream",
  ]);
});

test("a thread that comes later learns of the streams that there are, once", async () => {
  const { streams, told, answers, say, present } = createStreams(new Set([0]));
  const first = answers.next();
  say({ subscription: {} });
  await until(() => told.length === 1, { what: () => told.join() });
  present.add(1);
  streams.joined(1);
  streams.joined(1);
  expect(told).toEqual(["0: subscription", "1: subscription"]);
  streams.endAll("a worker of the runtime has ended");
  expect((await first).done).toBe(true);
  expect(told.slice(2)).toEqual([
    "0: end false a worker of the runtime has ended",
    "1: end false a worker of the runtime has ended",
  ]);
});

test.each([
  ["no message", Buffer.from([0xff]), "no cufflink.v1.AppMessage"],
  ["no subscription first", encoded({ credit: 1 }), "must have a subscription"],
])("an app that says %s is told what is wrong", async (_, message, problem) => {
  const { streams } = createStreams();
  async function* messages(): AsyncGenerator<Uint8Array> {
    yield message;
  }
  await expect(streams.accept(messages()).next()).rejects.toThrow(problem);
});
