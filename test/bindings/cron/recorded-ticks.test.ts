import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { InboundEvent, Reader } from "../../../src/binding.ts";
import cron from "../../../src/bindings/cron/index.ts";
import { BindingError } from "../../../src/errors.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import type { TickRecords } from "../../../src/tick-records.ts";
import { unkeptCheckpoints } from "../../runtime/component/checkpoints.ts";
import { keepingLogger } from "../../runtime/source-event.ts";

const noon = Date.parse("2026-11-23T12:00:00.250Z");
const readers: Reader[] = [];
beforeEach(() => void vi.useFakeTimers({ now: noon }));
afterEach(async () => {
  for (const reader of readers.splice(0)) await reader.close();
  vi.useRealTimers();
});

/** What the replicas share: the records, and who owns the component. */
class Shared {
  kept: { fingerprint: string; record: string } | undefined;
  owner: string | undefined;
  writes = 0;
  /** Writes fail with this. */
  trouble: BindingError | undefined;
  /** How far the store's clock is from this machine's. */
  ahead = 0;

  of(replica: string): TickRecords {
    const isOwner = (): boolean => this.owner === replica;
    return {
      load: async (fingerprint) =>
        this.kept?.fingerprint === fingerprint ? this.kept.record : undefined,
      put: async (fingerprint, record) => {
        if (this.trouble !== undefined) throw this.trouble;
        if (!isOwner()) throw new BindingError("aborted", "fenced");
        this.writes++;
        this.kept = { fingerprint, record };
      },
      owner: {
        now: () => Date.now() + this.ahead + 0.3,
        get held() {
          return isOwner();
        },
      },
    };
  }
}

/** An app that handles each tick, or not. */
async function start(
  records: TickRecords,
  properties: Record<string, string> = {},
  handles: (event: InboundEvent) => boolean = () => true,
) {
  const { values, problems } = parseFields(cron.metadata, {
    schedule: "* * * * * *",
    ...properties,
  });
  expect(problems).toEqual([]);
  const logger = keepingLogger();
  const memory = new MemoryBudget().share("test");
  const component = { name: "tick", appId: "shop" };
  const signal = new AbortController().signal;
  const common = { component, metadata: values, logger, memory, signal };
  const connection = await cron.open({
    ...{ ...common, directions: { input: true, output: false } },
    http: { listen: () => Promise.reject(new Error("cron serves nothing")) },
    driver: () => undefined,
    lost: vi.fn(),
    notice: vi.fn(),
  });
  const ticks: string[] = [];
  const open: InboundEvent[] = [];
  const reader = await cron.read?.(connection, {
    ...{ ...common, maxInFlight: 64, attempts: 10, notice: vi.fn(), lost: vi.fn() },
    checkpoints: unkeptCheckpoints(),
    ticks: records,
    deliver: async (events) => {
      for (const event of events) {
        ticks.push(event.id?.slice(11, 19) ?? "");
        if (handles(event)) event.settle({ outcome: "handled" });
        else open.push(event);
      }
    },
  });
  if (reader === undefined) throw new Error("there is no reader");
  readers.push(reader);
  return { ticks, open, reader, lines: logger.lines };
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);

test("a tick is written down before it is delivered, and after it is settled", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const { ticks, open } = await start(shared.of("a"), {}, () => false);
  await pass(1);
  expect(ticks).toEqual(["12:00:01"]);
  const due = Date.parse("2026-11-23T12:00:01Z");
  expect(JSON.parse(shared.kept?.record ?? "")).toEqual({ upTo: due, open: [due] });
  open[0]?.settle({ outcome: "handled" });
  await pass(0);
  expect(JSON.parse(shared.kept?.record ?? "")).toEqual({ upTo: due, open: [] });
});

test("the next owner makes up for the ticks of a take-over, and repeats none", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const first = await start(shared.of("a"));
  await pass(3);
  shared.owner = undefined;
  await first.reader.close();
  await pass(4);
  shared.owner = "b";
  const second = await start(shared.of("b"));
  await pass(2);
  expect(first.ticks).toEqual(["12:00:01", "12:00:02", "12:00:03"]);
  const rest = ["12:00:04", "12:00:05", "12:00:06", "12:00:07", "12:00:08", "12:00:09"];
  expect(second.ticks).toEqual(rest);
  expect(second.lines).toContainEqual(
    expect.objectContaining({ message: "no tick was begun and not settled: each comes once" }),
  );
});

test("what was begun and not settled comes once more, and the log has it", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const first = await start(shared.of("a"), {}, (event) => !event.id?.includes("12:00:02"));
  await pass(2);
  shared.owner = "b";
  const second = await start(shared.of("b"));
  // The first one was stopped in between, and goes on.
  first.open[0]?.settle({ outcome: "returned", reason: "the lease is over" });
  await pass(2);
  expect(first.ticks).toEqual(["12:00:01", "12:00:02"]);
  expect(second.ticks).toEqual(["12:00:02", "12:00:03", "12:00:04"]);
  expect(second.lines[0]).toMatchObject({
    level: "warn",
    fields: { ticks: 1, again: [new Date("2026-11-23T12:00:02Z")] },
  });
});

test("one that owns it no more delivers nothing", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const { ticks } = await start(shared.of("a"));
  await pass(1);
  shared.owner = "b";
  await pass(3);
  expect(ticks).toEqual(["12:00:01"]);
});

test.each([
  ["none", []],
  ["last", ["13:00:00"]],
  ["all", ["12:15:00", "12:30:00", "12:45:00", "13:00:00"]],
] as const)("catchUp %s, after an absence of an hour", async (catchUp, missed) => {
  const shared = new Shared();
  shared.owner = "a";
  const properties = { schedule: "*/15 * * * *", catchUp };
  const first = await start(shared.of("a"), properties);
  await first.reader.close();
  vi.setSystemTime(Date.parse("2026-11-23T13:10:00Z"));
  const second = await start(shared.of("a"), properties);
  await pass(600);
  expect(second.ticks).toEqual([...missed, "13:15:00"]);
});

test("of a long absence the newest 1,000 are made up for", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const first = await start(shared.of("a"), { catchUp: "all" });
  await first.reader.close();
  vi.setSystemTime(noon + 24 * 3_600_000);
  const second = await start(shared.of("a"), { catchUp: "all" });
  await pass(0);
  await vi.waitFor(() => expect(second.ticks).toHaveLength(1_000));
  expect(second.ticks.at(-1)).toBe("12:00:00");
  expect(second.lines.map(({ message }) => message)).toContain(
    "older ticks than the newest 1000 are not made up for",
  );
});

test("ticks follow the store's clock, however far this machine's is off", async () => {
  const shared = new Shared();
  shared.owner = "a";
  shared.ahead = 3_600_000;
  const { ticks } = await start(shared.of("a"));
  await pass(2);
  expect(ticks).toEqual(["13:00:01", "13:00:02"]);
});

test("a tick that cannot be written down waits, and those behind it", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const { ticks } = await start(shared.of("a"));
  shared.trouble = new BindingError("unavailable", "the store is away");
  await pass(3);
  expect(ticks).toEqual([]);
  shared.trouble = undefined;
  await pass(1);
  expect(ticks).toEqual(["12:00:01", "12:00:02", "12:00:03", "12:00:04"]);
});

test("a tick that the app has is not overtaken; those that are due meanwhile are dropped", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const { ticks, open } = await start(shared.of("a"), {}, () => false);
  await pass(3);
  expect(ticks).toEqual(["12:00:01"]);
  open[0]?.settle({ outcome: "handled" });
  await pass(1);
  expect(ticks).toEqual(["12:00:01", "12:00:04"]);
});

test("with overlap: allow ticks run at one time, each recorded", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const { ticks } = await start(shared.of("a"), { overlap: "allow" }, () => false);
  await pass(3);
  expect(ticks).toEqual(["12:00:01", "12:00:02", "12:00:03"]);
  expect(JSON.parse(shared.kept?.record ?? "").open).toHaveLength(3);
});

test("an interval goes on from the last tick, whoever reads", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const first = await start(shared.of("a"), { schedule: "@every 10s" });
  await pass(25);
  await first.reader.close();
  shared.owner = "b";
  const second = await start(shared.of("b"), { schedule: "@every 10s" });
  await pass(10);
  expect([...first.ticks, ...second.ticks]).toEqual(["12:00:10", "12:00:20", "12:00:30"]);
  expect(JSON.parse(shared.kept?.record ?? "").open).toEqual([]);
});

test("one process alone catches up, and delivers also what it cannot write down", async () => {
  const shared = new Shared();
  shared.owner = "a";
  const alone: TickRecords = { ...shared.of("a"), owner: undefined };
  const { ticks } = await start(alone, { catchUp: "last" });
  shared.trouble = new BindingError("unavailable", "the disk is full");
  await pass(2);
  expect(ticks).toEqual(["12:00:01", "12:00:02"]);
});
