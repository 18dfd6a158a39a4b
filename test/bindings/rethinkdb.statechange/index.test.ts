import { expect, test, vi } from "vitest";
import rethinkdb from "../../../src/bindings/rethinkdb.statechange/index.ts";
import { handled } from "../../runtime/fake-app.ts";
import { endAfterTest, read } from "../contract.ts";
import { openOutput } from "../opened-output.ts";
import { account, startStandIn, type RethinkStandIn } from "./stand-in.ts";

const soon = { timeout: 10_000, interval: 5 };

async function begin(
  answer?: Parameters<typeof read>[2],
  more: Record<string, string> = {},
  server?: RethinkStandIn,
) {
  const standIn = server ?? (await startStandIn());
  if (server === undefined) endAfterTest(async () => standIn[Symbol.asyncDispose]());
  const properties = {
    address: `127.0.0.1:${standIn.port}`,
    ...{ database: "shop", table: "orders", ...account, ...more },
  };
  const started = await read({ binding: rethinkdb }, { properties }, answer);
  return { ...started, standIn };
}

async function reading(...args: Parameters<typeof begin>) {
  const begun = await begin(...args);
  await vi.waitFor(() => expect(begun.standIn.readers).toBe(1), soon);
  await vi.waitFor(() => expect(begun.status().state).toBe("running"), soon);
  return begun;
}

test("a change is an event, with the rows as Dapr writes them", async () => {
  const { app, standIn } = await reading();
  const at = { $reql_type$: "TIME", epoch_time: 1_376_436_985.298, timezone: "+02:00" };
  const utc = { $reql_type$: "TIME", epoch_time: 0, timezone: "+00:00" };
  const picture = { $reql_type$: "BINARY", data: "AP8=" };
  const row = { id: 7, at, seen: [utc], picture, big: 9_007_199_254_740_991 };
  standIn.change({ new_val: row, old_val: null, type: "add" });
  await vi.waitFor(() => expect(app.deliveries).toHaveLength(1), soon);
  expect(JSON.parse(app.texts[0] ?? "")).toEqual({
    new_val: {
      ...{ id: 7, at: "2013-08-14T01:36:25.298+02:00", seen: ["1970-01-01T00:00:00Z"] },
      ...{ picture: "AP8=", big: 9_007_199_254_740_991 },
    },
    ...{ old_val: null, type: "add" },
  });
  expect(app.deliveries[0]?.metadata).toMatchObject({
    "store-address": `127.0.0.1:${standIn.port}`,
    "store-database": "shop",
    "store-table": "orders",
  });
  // Changes of the table, of that database, with their types; rows as they are.
  expect(standIn.queries).toEqual([
    [152, [[15, [[14, ["shop"]], "orders"]]], { include_types: true }],
  ]);
});

test("changes of a row are handled in order, those of others meanwhile", async () => {
  const seen: string[] = [];
  const first = Promise.withResolvers<void>();
  const { standIn } = await reading(async (text) => {
    const { new_val } = JSON.parse(text) as { new_val: { id: string; n: number } };
    if (new_val.id === "a" && new_val.n === 1) await first.promise;
    seen.push(`${new_val.id}${new_val.n}`);
    return handled;
  });
  for (const [id, n] of [
    ["a", 1],
    ["a", 2],
    ["b", 1],
  ])
    standIn.change({ new_val: { id, n }, old_val: null, type: "change" });
  await vi.waitFor(() => expect(seen).toEqual(["b1"]), soon);
  first.resolve();
  await vi.waitFor(() => expect(seen).toEqual(["b1", "a1", "a2"]), soon);
});

test("while the app has all that it takes, the server is asked for nothing more", async () => {
  const gate = Promise.withResolvers<void>();
  const { standIn, status } = await reading(async () => {
    await gate.promise;
    return handled;
  });
  const total = 20_000;
  for (let n = 0; n < total; n++)
    standIn.change({ new_val: { id: n }, old_val: null, type: "add" });
  await vi.waitFor(() => expect(status().inFlight).toBe(64), soon);
  // A batch of the stand-in has 100 changes, and 200 batches wait.
  expect(standIn.continues).toBeLessThanOrEqual(2);
  gate.resolve();
  await vi.waitFor(() => expect(status().handled).toBe(total), soon);
});

test("a cut, and an error of the feed, make it read again; the state says so, and a warning that changes were missed", async () => {
  const { standIn, app, status, lines } = await reading();
  standIn.cut();
  await vi.waitFor(() => expect(standIn.queries).toHaveLength(2), soon);
  standIn.change({ new_val: { id: 1 }, old_val: null, type: "add" });
  await vi.waitFor(() => expect(app.texts).toHaveLength(1), soon);
  expect(lines).toContainEqual(
    expect.objectContaining({
      ...{ level: "warn", message: "changes are missed until the feed is read again" },
    }),
  );
  await vi.waitFor(() => expect(standIn.readers).toBe(1), soon);
  standIn.fail(18, "Changefeed cache over array size limit");
  await vi.waitFor(() => expect(standIn.queries).toHaveLength(3), soon);
  await vi.waitFor(() => expect(status().state).toBe("running"), soon);
});

test("a wrong password is told without it, and the next server of the list is tried", async () => {
  const wrong = await begin(undefined, { password: "not-this-one" });
  await vi.waitFor(() => expect(wrong.status().reason).toContain("Wrong password"), soon);
  expect(JSON.stringify([wrong.lines, wrong.status()])).not.toContain("not-this-one");
  const standIn = await startStandIn();
  endAfterTest(async () => standIn[Symbol.asyncDispose]());
  const addresses = `127.0.0.1:1,127.0.0.1:${standIn.port}`;
  await reading(undefined, { addresses }, standIn);
});

test.each([
  [{ address: "" }, "names no server"],
  [{ address: "a b:c" }, "is not HOST:PORT"],
  [{ clientCert: "x" }, "need each other"],
  [{ auth_key: "x" }, "authKey is not supported"],
])("what is wrong in the metadata is said: %j", async (more, text) => {
  const { status } = await begin(undefined, more);
  await vi.waitFor(() => expect(status().reason).toContain(text), soon);
});

test("opening and the heartbeat need no permission; reading names the one that is missing", async () => {
  const properties = (port: number) => ({
    ...{ address: `127.0.0.1:${port}`, database: "shop", table: "orders", ...account },
  });
  await using able = await startStandIn({ denies: "all but the feed" });
  await using opened = await openOutput(rethinkdb, properties(able.port));
  await opened.ping();
  await reading(undefined, {}, able);
  await using unable = await startStandIn({ denies: "all" });
  const { status } = await begin(undefined, {}, unable);
  const missing = "the feed ended: User `shop` does not have the required `read` permission";
  await vi.waitFor(() => expect(status().reason).toContain(missing), soon);
  expect(status().state).toBe("reconnecting");
});
