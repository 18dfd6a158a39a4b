import { create, type JsonValue } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import {
  DeadLetterCause,
  DeadLetters,
  RedriveOutcome,
  type RedriveDeadLettersResponse,
} from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { AttemptOutcome } from "../../gen/cufflink/v1/history_pb.ts";
import { DeadLetterManager } from "../../src/runtime/records/dead-letters.ts";
import type { Redriven } from "../../src/runtime/delivery/redrive.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";
import type { DeadLetter } from "../../src/store/records.ts";
import { sampleDeadLetter, FakeDeadLetterStore } from "../runtime/stored-dead-letters.ts";
import { send, serve } from "../server/serve.ts";
import { until } from "../until.ts";
import { FakeOperator } from "./fake-operator.ts";

const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

let redrive: (deadLetter: DeadLetter) => Promise<Redriven>;
beforeEach(() => {
  redrive = async () => ({ outcome: "handled", reason: "" });
});

async function serving(...deadLetters: DeadLetter[]) {
  const store = new FakeDeadLetterStore(...deadLetters);
  const operator = new FakeOperator();
  const manager: DeadLetterManager = new DeadLetterManager({
    store,
    redrive: (one) => redrive(one),
    invoke: (invocation) => served.runtime.invoke(invocation),
    logger,
  });
  const served = await serve({
    operations: { operator, deadLetters: manager, reload: operator.reload },
  });
  onTestFinished(() => served[Symbol.asyncDispose]());
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${served.port}` });
  return { store, manager, served, client: createClient(DeadLetters, transport) };
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (thrown: unknown) => ConnectError.from(thrown).code,
  );

async function collect(
  responses: AsyncIterable<RedriveDeadLettersResponse>,
): Promise<RedriveDeadLettersResponse[]> {
  const all: RedriveDeadLettersResponse[] = [];
  for await (const one of responses) all.push(one);
  return all;
}

test("a dead letter is told whole", async () => {
  const { client } = await serving(sampleDeadLetter(1));
  const { deadLetter } = await client.getDeadLetter({ id: sampleDeadLetter(1).id });
  expect(deadLetter).toMatchObject({
    id: sampleDeadLetter(1).id,
    component: "orders",
    type: "bindings.kafka",
    cause: DeadLetterCause.EXHAUSTED,
    reason: "the app answered 500: no such customer",
    metadata: { topic: "orders", partition: "0" },
    dataSize: 7n,
    dataOmitted: false,
    failedAttempts: 2,
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    redrives: 0,
    edited: false,
    redriving: false,
  });
  expect(Buffer.from(deadLetter!.event!.data!).toString()).toBe("order 1");
  expect(Buffer.from(deadLetter!.event!.key!).toString()).toBe("customer 1");
  expect(deadLetter?.event?.headers[0]?.value).toEqual(new Uint8Array([0xff, 0]));
  expect(deadLetter?.attempts[0]).toMatchObject({
    at: { seconds: 1_790_000_000n },
    took: { nanos: 12_000_000 },
    outcome: AttemptOutcome.REFUSED,
    answer: "HTTP 500: no such customer",
  });
  expect(await codeOf(client.getDeadLetter({ id: "nosuch" }))).toBe(Code.NotFound);
});

test("a payload larger than a request may be is told whole too", async () => {
  const data = Buffer.alloc(6 * 1024 * 1024, 7);
  const { client } = await serving(
    sampleDeadLetter(1, { event: { ...sampleDeadLetter(1).event, data } }),
  );
  const { deadLetter } = await client.getDeadLetter({ id: sampleDeadLetter(1).id });
  expect(Buffer.compare(Buffer.from(deadLetter!.event!.data!), data)).toBe(0);
});

test("dead letters are listed in pages, by a filter, without large payloads", async () => {
  const large = sampleDeadLetter(3, {
    event: { ...sampleDeadLetter(3).event, data: Buffer.alloc(5000) },
  });
  const { client } = await serving(
    sampleDeadLetter(1),
    sampleDeadLetter(2, { component: "mail" }),
    large,
    sampleDeadLetter(4),
  );
  const filter = { component: "orders" };
  const first = await client.listDeadLetters({ filter, pageSize: 2 });
  expect(first.deadLetters.map(({ id }) => id)).toEqual([
    sampleDeadLetter(1).id,
    sampleDeadLetter(3).id,
  ]);
  expect(first.deadLetters[1]).toMatchObject({ dataSize: 5000n, dataOmitted: true });
  expect(first.deadLetters[1]?.event?.data).toBeUndefined();
  const pageToken = first.nextPageToken;
  const second = await client.listDeadLetters({ filter, pageSize: 2, pageToken });
  expect(second.deadLetters.map(({ id }) => id)).toEqual([sampleDeadLetter(4).id]);
  expect(second.nextPageToken).toBe("");
  const whole = await client.listDeadLetters({ filter: { ids: [large.id] }, maxDataSize: 5000 });
  expect(whole.deadLetters[0]?.event?.data).toHaveLength(5000);
});

test.each([
  ["reason", { reason: "CUSTOMER" }, [1, 2, 3]],
  ["event", { eventId: "orders/0/2" }, [2]],
  ["time", { since: { seconds: 1_790_000_002n, nanos: 2_000_000 } }, [2, 3]],
  ["end", { before: { seconds: 1_790_000_002n, nanos: 2_000_000 } }, [1]],
])("a filter may say %s", async (_, filter, expected) => {
  const { client } = await serving(sampleDeadLetter(1), sampleDeadLetter(2), sampleDeadLetter(3));
  const { deadLetters } = await client.listDeadLetters({ filter });
  expect(deadLetters.map(({ id }) => id)).toEqual(
    expected.map((number) => sampleDeadLetter(number).id),
  );
});

test("totals are told per component, by name", async () => {
  const { client } = await serving(
    sampleDeadLetter(1),
    sampleDeadLetter(2, { component: "mail" }),
    sampleDeadLetter(3),
  );
  const { totals } = await client.listDeadLetterTotals({});
  expect(totals).toMatchObject([
    { component: "mail", count: 1n, bytes: 7n },
    { component: "orders", count: 2n, bytes: 14n, oldest: { seconds: 1_790_000_002n } },
  ]);
});

test("an edit changes what its mask names, and nothing else", async () => {
  const { client, store } = await serving(sampleDeadLetter(1));
  const id = sampleDeadLetter(1).id;
  const change = (paths: string[], event: { data?: Uint8Array<ArrayBuffer> } = {}) =>
    client.editDeadLetter({ id, event, updateMask: create(FieldMaskSchema, { paths }) });
  const { deadLetter } = await change(["data"], { data: new Uint8Array([1, 2]) });
  expect(deadLetter).toMatchObject({ edited: true, event: { data: new Uint8Array([1, 2]) } });
  expect(store.deadLetters.get(id)?.event).toMatchObject({
    headers: sampleDeadLetter(1).event.headers,
    metadata: sampleDeadLetter(1).event.metadata,
  });
  await change(["data", "key", "headers", "metadata"]);
  expect(store.deadLetters.get(id)?.event).toEqual({
    ...{ id: "orders/0/1", data: undefined, key: undefined, headers: [], metadata: {} },
  });
  expect(await codeOf(change([]))).toBe(Code.InvalidArgument);
  expect(await codeOf(change(["id"]))).toBe(Code.InvalidArgument);
});

test("a redrive tells of each dead letter and of all", async () => {
  const { client, store } = await serving(sampleDeadLetter(1), sampleDeadLetter(2));
  redrive = async ({ event }) =>
    event.id === "orders/0/1"
      ? { outcome: "handled", reason: "" }
      : { outcome: "refused", reason: "the app answered 500" };
  const all = await collect(client.redriveDeadLetters({ all: true }));
  expect(all.map(({ result }) => result?.outcome)).toEqual([
    undefined,
    RedriveOutcome.HANDLED,
    RedriveOutcome.REFUSED,
    undefined,
  ]);
  expect(all[2]?.result).toMatchObject({
    id: sampleDeadLetter(2).id,
    component: "orders",
    eventId: "orders/0/2",
    reason: "the app answered 500",
  });
  expect(all.at(-1)?.totals).toMatchObject({ matched: 2n, handled: 1n, refused: 1n, skipped: 0n });
  expect([...store.deadLetters.keys()]).toEqual([sampleDeadLetter(2).id]);
  expect(await codeOf(collect(client.redriveDeadLetters({})))).toBe(Code.InvalidArgument);
  expect(await codeOf(collect(client.redriveDeadLetters({ all: true, rate: -1 })))).toBe(
    Code.InvalidArgument,
  );
});

test("a redrive to an output invokes it", async () => {
  const { client, store, served } = await serving(sampleDeadLetter(1), sampleDeadLetter(2));
  const to = { component: "probe", metadata: { tag: "again" } };
  const filter = { ids: [sampleDeadLetter(1).id] };
  const all = await collect(client.redriveDeadLetters({ filter, to }));
  expect(all.at(-1)?.totals).toMatchObject({ matched: 1n, handled: 1n });
  expect(served.calls).toMatchObject([
    { operation: "create", data: "order 1", metadata: { tag: "again" } },
  ]);
  await collect(client.redriveDeadLetters({ all: true, to: { ...to, operation: "echo" } }));
  expect(served.calls.at(-1)).toMatchObject({ operation: "echo", data: "order 2" });
  expect(store.deadLetters.size).toBe(0);
});

test("no further dead letter begins once the caller has gone", async () => {
  const { client, manager, store } = await serving(
    ...Array.from({ length: 70 }, (_, i) => sampleDeadLetter(i)),
  );
  const answer = Promise.withResolvers<Redriven>();
  let begun = 0;
  redrive = () => {
    begun++;
    return answer.promise;
  };
  const asked = vi.spyOn(manager, "redrive");
  const caller = new AbortController();
  const run = collect(client.redriveDeadLetters({ all: true }, { signal: caller.signal }));
  await until(() => begun === 64, { what: "64 redrives" });
  caller.abort();
  expect(await codeOf(run)).toBe(Code.Canceled);
  await until(() => asked.mock.calls[0]![1].signal.aborted, { what: "the server to notice" });
  answer.resolve({ outcome: "handled", reason: "" });
  await until(() => store.deadLetters.size === 6 && !manager.isClaimed(sampleDeadLetter(63).id), {
    what: "those that had begun to be removed",
  });
  expect(begun).toBe(64);
});

test("dropping counts, and removes only when it is meant", async () => {
  const { client, store } = await serving(
    sampleDeadLetter(1),
    sampleDeadLetter(2, { component: "mail" }),
  );
  const filter = { component: "mail" };
  expect(await client.dropDeadLetters({ filter, validateOnly: true })).toMatchObject({
    dropped: 1n,
    skipped: 0n,
  });
  expect(store.deadLetters.size).toBe(2);
  expect(await client.dropDeadLetters({ filter })).toMatchObject({ dropped: 1n });
  expect([...store.deadLetters.keys()]).toEqual([sampleDeadLetter(1).id]);
  expect(await codeOf(client.dropDeadLetters({}))).toBe(Code.InvalidArgument);
});

test("a store in trouble is told by its own words", async () => {
  const { client, store } = await serving(sampleDeadLetter(1));
  store.failing.set("list", "the disk is gone");
  const failed = client.listDeadLetters({}).catch((error: unknown) => ConnectError.from(error));
  expect(await failed).toMatchObject({ code: Code.Unavailable, rawMessage: "the disk is gone" });
});

test("all of it is there as JSON over HTTP", async () => {
  const { served, store } = await serving(sampleDeadLetter(1), sampleDeadLetter(2));
  const post = async (method: string, body: JsonValue) => {
    const answer = await send(served.port, `/cufflink.v1.DeadLetters/${method}`, {
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
    return { status: answer.status, body: JSON.parse(answer.text) as JsonValue };
  };
  expect(await post("ListDeadLetters", { filter: { eventId: "orders/0/1" } })).toMatchObject({
    status: 200,
    body: {
      deadLetters: [
        {
          id: sampleDeadLetter(1).id,
          cause: "DEAD_LETTER_CAUSE_EXHAUSTED",
          event: { data: Buffer.from("order 1").toString("base64"), id: "orders/0/1" },
          storedAt: "2026-09-21T14:13:22.001Z",
        },
      ],
    },
  });
  const edit = { id: sampleDeadLetter(1).id, updateMask: "data", event: { data: "AAA=" } };
  expect(await post("EditDeadLetter", edit)).toMatchObject({
    status: 200,
    body: { deadLetter: { edited: true, event: { data: "AAA=" } } },
  });
  expect(await post("GetDeadLetter", { id: "nosuch" })).toMatchObject({
    status: 404,
    body: { code: "not_found", message: "there is no dead letter nosuch" },
  });
  expect(await post("DropDeadLetters", { all: true })).toEqual({
    status: 200,
    body: { dropped: "2" },
  });
  expect(store.deadLetters.size).toBe(0);
});

test("without a store the methods are UNIMPLEMENTED", async () => {
  const served = await serve();
  onTestFinished(() => served[Symbol.asyncDispose]());
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${served.port}` });
  const client = createClient(DeadLetters, transport);
  expect(await codeOf(client.listDeadLetters({}))).toBe(Code.Unimplemented);
});
