import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { AttemptOutcome, EventEnd, EventPlace, History } from "../../gen/cufflink/v1/history_pb.ts";
import { BindingError } from "../../src/errors.ts";
import { historyService } from "../../src/rpc/history.ts";
import { toHistory, toUnfinished } from "../../src/rpc/records.ts";
import type { UnfinishedEvent } from "../../src/runtime/status.ts";
import type { HistoryRecord } from "../../src/store/records.ts";
import { Entry } from "../../src/runtime/delivery/entry.ts";
import { Window } from "../../src/runtime/delivery/window.ts";
import { createRpcHandlers } from "../../src/server/rpc-handlers.ts";
import { listen } from "../../src/server/listener.ts";
import { protocolsOf } from "../server/protocols-of.ts";
import { sourceEvent } from "../runtime/source-event.ts";
import { FakeOperator } from "./fake-operator.ts";

const record: HistoryRecord = {
  component: "orders",
  eventId: "orders/0/7",
  source: "orders/0",
  receivedAt: 1_790_000_000_000,
  attempts: [
    { at: 1_790_000_000_001, took: 12.5, outcome: "refused", answer: "HTTP 500" },
    { at: 1_790_000_001_000, took: 0.25, outcome: "handled", answer: "" },
  ],
  renewals: [1_790_000_000_500],
  failedRenewals: [{ at: 1_790_000_000_700, reason: "the channel was closed" }],
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  end: "handled",
  endedAt: 1_790_000_001_001,
  reason: "",
  deadLetter: undefined,
};

async function serving(operator: FakeOperator): Promise<number> {
  const closing = new AbortController();
  const lanes = createRpcHandlers({
    services: [
      historyService({
        history: operator.history,
        unfinished: operator.unfinished,
        closing: closing.signal,
        deadLetter: async (id) => {
          if (id !== "kept") throw new BindingError("not_found", `no dead letter has the id ${id}`);
          return { component: "orders", eventId: "orders/0/7", traceId: "" };
        },
      }),
    ],
    maxMessageSize: 1e6,
  });
  const protocols = protocolsOf(lanes);
  const server = await listen({ host: "127.0.0.1", port: 0 }, protocols);
  onTestFinished(async () => {
    closing.abort();
    server.close();
    await protocols.end(0);
  });
  return (server.address() as { port: number }).port;
}

test("all that is known of an event is told", async () => {
  const operator = new FakeOperator();
  const others: HistoryRecord[] = [
    { ...record, end: "dead letter", reason: "HTTP 500", deadLetter: "0190" },
    { ...record, end: "duplicate", attempts: [] },
  ];
  operator.records = [record, ...others];
  const port = await serving(operator);
  const client = createClient(
    History,
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }),
  );
  const { records } = await client.explainEvent({ eventId: "orders/0/7", component: "orders" });
  expect(operator.asked).toEqual(["find orders/0/7 of orders"]);
  expect(records[0]).toMatchObject({
    component: "orders",
    source: "orders/0",
    attempts: [
      { took: { nanos: 12_500_000 }, outcome: AttemptOutcome.REFUSED },
      { took: { nanos: 250_000 }, outcome: AttemptOutcome.HANDLED },
    ],
    end: EventEnd.HANDLED,
    deadLetterId: "",
  });
  expect(records.map(toHistory)).toEqual([
    record,
    ...others.map((one) => ({ ...one, deadLetter: one.deadLetter })),
  ]);
  expect((await client.explainEvent({ eventId: "nosuch" })).records).toEqual([]);
  const empty = await client.explainEvent({}).catch((error: unknown) => ConnectError.from(error));
  expect(empty).toMatchObject({ code: Code.InvalidArgument });
});

test("events that have not ended are told as they are", async () => {
  const operator = new FakeOperator();
  const { component, eventId, source, receivedAt, attempts, renewals, traceId } = record;
  const waiting: UnfinishedEvent = {
    ...{ component, eventId, source, receivedAt, renewals, traceId },
    ...{ attempts: attempts.slice(0, 1), failedRenewals: record.failedRenewals ?? [] },
    ...{ key: new Uint8Array([9, 200]), where: "waiting for a retry", reason: "" },
    ...{ attempt: 2, attemptsAllowed: 10, lastError: "HTTP 500" },
    ...{ nextAt: 1_790_000_002_000, deadLetter: undefined },
  };
  operator.waiting = [
    waiting,
    { ...waiting, where: "with the app", key: undefined, nextAt: undefined },
    { ...waiting, where: "queued", attemptsAllowed: undefined, reason: "the app is away" },
    { ...waiting, where: "held", deadLetter: "0190" },
  ];
  const port = await serving(operator);
  const client = createClient(
    History,
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }),
  );
  const { records, unfinished } = await client.explainEvent({ eventId });
  expect(records).toEqual([]);
  expect(unfinished[0]).toMatchObject({ place: EventPlace.WAITING_FOR_RETRY, attemptsAllowed: 10 });
  expect(unfinished.map(toUnfinished)).toEqual(operator.waiting);
});

test("it is there as JSON over HTTP, by GET too", async () => {
  const operator = new FakeOperator();
  operator.records = [record];
  const port = await serving(operator);
  const message = encodeURIComponent(JSON.stringify({ eventId: "orders/0/7" }));
  const url = `http://127.0.0.1:${port}/cufflink.v1.History/ExplainEvent`;
  const answer = await fetch(`${url}?connect=v1&encoding=json&message=${message}`);
  expect(await answer.json()).toMatchObject({
    records: [{ end: "EVENT_END_HANDLED", attempts: [{ took: "0.012500s" }, {}] }],
  });
});

const clientOf = (port: number) =>
  createClient(History, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));

test("a dead letter leads to its event, by what is remembered, else by the dead letter itself", async () => {
  const operator = new FakeOperator();
  const dead: HistoryRecord = { ...record, end: "dead letter", deadLetter: "0190", endedAt: 1 };
  operator.records = [record, dead];
  const client = clientOf(await serving(operator));
  const { records } = await client.explainEvent({ deadLetterId: "0190" });
  expect(records.map(toHistory)).toEqual([record, dead]);
  expect((await client.explainEvent({ deadLetterId: "kept" })).records).toHaveLength(2);
  operator.records = [{ ...dead, eventId: "", traceId: "" }];
  expect((await client.explainEvent({ deadLetterId: "0190" })).records).toHaveLength(1);
  for (const [request, code] of [
    [{ deadLetterId: "nosuch" }, Code.NotFound],
    [{}, Code.InvalidArgument],
    [{ deadLetterId: "0190", eventId: "a" }, Code.InvalidArgument],
  ] as const) {
    const error = await client.explainEvent(request).catch((e: unknown) => ConnectError.from(e));
    expect(error).toMatchObject({ code });
  }
});

test("the last events are listed as it is asked for", async () => {
  const operator = new FakeOperator();
  operator.records = [record, record];
  const client = clientOf(await serving(operator));
  const listed = await client.listEvents({
    ...{
      component: "orders",
      ends: [EventEnd.DROPPED, EventEnd.HANDLED],
      pageSize: 1,
      pageToken: "t",
    },
  });
  expect([listed.records.map(toHistory), listed.nextPageToken]).toEqual([[record], "more"]);
  await client.listEvents({ pageSize: 5_000 });
  await client.listEvents({});
  expect(operator.pages).toEqual([
    { component: "orders", ends: ["dropped", "handled"], limit: 1, token: "t" },
    { component: undefined, ends: [], limit: 1000, token: undefined },
    { component: undefined, ends: [], limit: 100, token: undefined },
  ]);
  const unknown = client.listEvents({ ends: [EventEnd.UNSPECIFIED] });
  expect(await unknown.catch((e: unknown) => ConnectError.from(e))).toMatchObject({
    code: Code.InvalidArgument,
  });
});

test("events are shown as they end, until the server does", async () => {
  const operator = new FakeOperator();
  const client = clientOf(await serving(operator));
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const stream = client.tailEvents(
    { component: "orders", maxDataSize: 3 },
    { signal: stop.signal },
  );
  const iterator = stream[Symbol.asyncIterator]();
  const first = iterator.next();
  const ending = setInterval(() => {
    const event = sourceEvent("a payload", { metadata: { offset: "42" } });
    const entry = new Entry(event, new Window("orders[3]"), undefined);
    operator.events.record("orders", entry, { how: "dropped", reason: "not ours" }, 1);
  }, 20);
  onTestFinished(() => clearInterval(ending));
  expect((await first).value).toMatchObject({
    event: {
      record: { component: "orders", end: EventEnd.DROPPED, reason: "not ours" },
      ...{ dataSize: 9n, data: new Uint8Array(Buffer.from("a p")), metadata: { offset: "42" } },
    },
  });
});
