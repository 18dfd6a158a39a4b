import { expect, test } from "vitest";
import type { HistoryRecord } from "../../../src/store/records.ts";
import { defaultRetention } from "../../../src/store/store.ts";
import { withEngines } from "../engines.ts";

function record(parts: Partial<HistoryRecord> = {}): HistoryRecord {
  return {
    component: "orders",
    eventId: "e1",
    source: "topic/0",
    receivedAt: 1000,
    attempts: [{ at: 1001, took: 7, outcome: "refused", answer: "no\0\ud800" }],
    renewals: [1500],
    traceId: "0af7651916cd43dd8448eb211c80319c",
    end: "dead letter",
    endedAt: Date.now(),
    reason: "the app answered 500",
    deadLetter: "an id",
    ...parts,
  };
}

withEngines((engine) => {
  test("what became of an event is found, newest first, also by a later process", async () => {
    const place = engine.place();
    const first = engine.open(place);
    const [one, two, three] = [
      record(),
      record({ end: "handled", reason: "", deadLetter: undefined }),
      record({ component: "returns" }),
    ];
    await first.history.append([one, record({ eventId: "other" })]);
    await first.history.append([two, three]);
    expect(await first.history.find("e1", undefined)).toEqual([three, two, one]);
    await first.close();
    const later = engine.open(place);
    expect(await later.history.find("e1", "orders")).toEqual([two, one]);
    expect(await later.history.find("e2", undefined)).toEqual([]);
  });

  test("events are found by their trace id too, those without one by none", async () => {
    const store = engine.open(engine.place());
    const traceId = "a".repeat(32);
    const [nameless, named, other] = [
      record({ eventId: "", traceId, component: "readings" }),
      record({ traceId }),
      record({ eventId: "", traceId: "" }),
    ];
    const last = record();
    await store.history.append([nameless, named, other, last]);
    expect(await store.history.find(traceId, undefined)).toEqual([named, nameless]);
    expect(await store.history.find(traceId, "readings")).toEqual([nameless]);
    expect(await store.history.find("e1", undefined)).toEqual([last, named]);
  });

  test("at most 100 are told", async () => {
    const store = engine.open(engine.place());
    await store.history.append(Array.from({ length: 120 }, (_, at) => record({ receivedAt: at })));
    const found = await store.history.find("e1", undefined);
    expect(found.map(({ receivedAt }) => receivedAt)).toEqual(
      Array.from({ length: 100 }, (_, index) => 119 - index),
    );
  });

  test("the oldest give way to what comes", async () => {
    const retention = { ...defaultRetention, history: { age: 10 ** 9, count: 3 } };
    const store = engine.open(engine.place(), { retention });
    for (let at = 0; at < 5; at++) await store.history.append([record({ receivedAt: at })]);
    const found = await store.history.find("e1", undefined);
    expect(found.map(({ receivedAt }) => receivedAt)).toEqual([4, 3, 2]);
  });

  test("the newest are listed page by page, by component, by end and from before a time", async () => {
    const store = engine.open(engine.place());
    const records = Array.from({ length: 6 }, (_, at) =>
      record({
        ...{
          eventId: `e${at}`,
          endedAt: 1000 + at,
          component: at % 3 === 0 ? "returns" : "orders",
        },
        end: at < 3 ? "dropped" : "dead letter",
      }),
    );
    await store.history.append(records);
    const list = async (parts: Partial<Parameters<typeof store.history.list>[0]>) => {
      const all = { component: undefined, ends: [], endedBefore: 1e15, below: 1e15, limit: 100 };
      const { records, below } = await store.history.list({ ...all, ...parts });
      return { ids: records.map(({ eventId }) => eventId).join(" "), below };
    };
    expect(await list({})).toEqual({ ids: "e5 e4 e3 e2 e1 e0", below: undefined });
    const first = await list({ limit: 4 });
    expect(first.ids).toBe("e5 e4 e3 e2");
    expect((await list({ limit: 4, below: first.below ?? 0 })).ids).toBe("e1 e0");
    expect((await list({ component: "returns" })).ids).toBe("e3 e0");
    expect((await list({ ends: ["dropped"] })).ids).toBe("e2 e1 e0");
    expect((await list({ endedBefore: 1002 })).ids).toBe("e1 e0");
  });

  test("a page looks at so many records and no more, and leads on where it has found none", async () => {
    const store = engine.open(engine.place());
    const many = Array.from({ length: 6_000 }, () => record());
    await store.history.append([record({ eventId: "first", end: "dropped" }), ...many]);
    const asked = {
      component: undefined,
      ends: ["dropped" as const],
      endedBefore: 1e15,
      limit: 10,
    };
    const page = await store.history.list({ ...asked, below: 1e15 });
    expect([page.records, page.below]).toEqual([[], expect.any(Number)]);
    const next = await store.history.list({ ...asked, below: page.below ?? 0 });
    expect(next).toMatchObject({ records: [{ eventId: "first" }], below: undefined });
  });

  test("the record of a dead letter is found by that", async () => {
    const store = engine.open(engine.place());
    const [one, other] = [
      record({ deadLetter: "d1" }),
      record({ reason: 'it says "d1"', deadLetter: "d2" }),
    ];
    await store.history.append([one, other]);
    expect(await store.history.ofDeadLetter("d1")).toEqual([one]);
    expect(await store.history.ofDeadLetter("d")).toEqual([]);
  });
});
