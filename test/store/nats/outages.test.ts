import { connect, headers } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { Subjects } from "../../../src/store/nats/subjects.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { until } from "../../until.ts";
import { natsEngine, natsSettings } from "../engines.ts";
import { deadLetter } from "../records.ts";

const pause = { by: "ada", reason: "", since: 1 };

describeWith("nats", { own: true }, (server) => {
  const engine = natsEngine(server.url);
  /** What has no answer after that is found out. */
  const settings = () => ({ ...natsSettings(server.url), timeout: 300 });

  test("a write whose answer is lost happens once, and its caller is told what became of it", async () => {
    const place = engine.place();
    const store = engine.open(place, { settings: settings() });
    const letter = deadLetter({ identity: "a", component: "tick" });
    await store.leases.acquire("tick", "a", 60_000);
    server.pause();
    const put = store.deadLetters.put(letter, "f");
    const checkpoint = store.checkpoints.put("tick", "", { fingerprint: "f", position: "1" });
    // Longer than one answer is waited for.
    await new Promise((resolve) => setTimeout(resolve, 900));
    server.resume();
    expect(await put).toBe(letter.id);
    await checkpoint;
    expect((await store.deadLetters.get(letter.id))?.attempts).toHaveLength(1);
    expect(await store.deadLetters.totals()).toMatchObject([{ count: 1 }]);
    expect(await store.checkpoints.load("tick", "")).toMatchObject({ position: "1" });
  });

  test("without a server writes are refused at once, until it is back; what was there is there", async () => {
    const place = engine.place();
    const store = engine.open(place);
    const letter = deadLetter();
    await store.deadLetters.put(letter, "f");
    const seen = new Map<string, unknown>();
    const stop = store.leases.watch((name, holder) => seen.set(name, holder?.replica));
    await store.leases.acquire("tick", "a", 1000);
    await until(() => seen.get("tick") === "a", { what: "the lease" });
    await server.kill();
    await until(() => store.trouble !== undefined, { what: "trouble" });
    const began = Date.now();
    await expect(store.pauses.put("orders", pause)).rejects.toMatchObject({
      ...{ reason: "unavailable", message: expect.stringContaining("NATS") },
    });
    await expect(store.deadLetters.get(letter.id)).rejects.toMatchObject({ reason: "unavailable" });
    expect(Date.now() - began).toBeLessThan(2_000);
    await server.start();
    await until(() => store.trouble === undefined, { what: "the connection" });
    await store.pauses.put("orders", pause);
    expect((await store.deadLetters.get(letter.id))?.id).toBe(letter.id);
    expect(store.log.at(-1)).toBe("info: the store can be written again");
    // What ran out while nobody told of it is told, too.
    await until(() => seen.has("tick") && seen.get("tick") === undefined, { what: "its end" });
    await store.leases.acquire("tock", "b", 60_000);
    await until(() => seen.get("tock") === "b", { what: "a lease after that" });
    stop();
  });

  test("streams that are removed while they are used are made anew", async () => {
    const place = engine.place();
    const store = engine.open(place);
    const { recordStream, historyStream } = new Subjects(place);
    const seen = new Map<string, unknown>();
    const stop = store.leases.watch((name, holder) => seen.set(name, holder?.replica));
    await store.leases.acquire("tick", "a", 60_000);
    await until(() => seen.get("tick") === "a", { what: "the lease" });
    const first = deadLetter({ component: "tick", identity: "a" });
    await store.deadLetters.put(first, "f");
    const connection = await connect({ servers: server.url.replace("nats://", "") });
    onTestFinished(() => connection.close());
    for (const stream of [recordStream, historyStream])
      await connection.request(`$JS.API.STREAM.DELETE.${stream}`, "");
    await expect(store.pauses.put("orders", pause)).rejects.toMatchObject({ effect: "unsent" });
    await until(
      () =>
        store.pauses.put("orders", pause).then(
          () => true,
          () => false,
        ),
      {
        what: "the stream",
      },
    );
    expect(store.log.filter((line) => line.includes("it was made anew"))).toHaveLength(1);
    expect(store.trouble).toBeUndefined();
    await until(() => seen.get("tick") === undefined, { what: "the end of the lease" });
    expect(await store.deadLetters.totals()).toEqual([]);
    // What the lease of before fences is refused; another one is to be had.
    const second = deadLetter({ component: "tick", identity: "b" });
    await expect(store.deadLetters.put(second, "f")).rejects.toMatchObject({ reason: "aborted" });
    await store.leases.acquire("tick", "b", 60_000);
    await until(() => seen.get("tick") === "b", { what: "the next lease" });
    await store.deadLetters.put(second, "f");
    expect(await store.deadLetters.list({}, { limit: 10 })).toMatchObject([{ id: second.id }]);
    stop();
  });

  test("a server that is killed between the messages of a batch has nothing of it", async () => {
    const place = engine.place();
    const store = engine.open(place);
    await store.deadLetters.totals();
    const { records } = new Subjects(place);
    const subject = new Subjects(place).letter("orders", "a", "f");
    const connection = await connect({ servers: server.url.replace("nats://", "") });
    onTestFinished(() => connection.close());
    for (const [index, one] of [`${records}.part.letter.orders.x.1`, subject].entries()) {
      const some = headers();
      some.set("Nats-Batch-Id", "half");
      some.set("Nats-Batch-Sequence", String(index + 1));
      some.set("Cufflink-About", "{}");
      await connection.request(one, "half", { headers: some, timeout: 5_000 });
    }
    await server.kill();
    await server.start();
    await until(() => store.trouble === undefined, { what: "the connection" });
    expect(await store.deadLetters.list({}, { limit: 10 })).toEqual([]);
    const letter = deadLetter({ identity: "a" });
    expect(await store.deadLetters.put(letter, "f")).toBe(letter.id);
  });

  test("of large dead letters that are put while the server is killed each is whole or not there", async () => {
    const place = engine.place();
    const store = engine.open(place, { settings: settings() });
    const safe: string[] = [];
    const data = Buffer.alloc(3 * 1024 * 1024, "x");
    const over = new AbortController();
    const putting = (async () => {
      while (!over.signal.aborted) {
        const letter = deadLetter({ event: { data } });
        await store.deadLetters.put(letter, "f").then(
          () => safe.push(letter.id),
          () => new Promise((resolve) => setTimeout(resolve, 50)),
        );
      }
    })();
    for (let times = 1; times <= 2; times++) {
      const before = safe.length;
      await until(() => safe.length > before + 2, { what: "dead letters", within: 20_000 });
      await server.kill();
      await server.start();
    }
    over.abort();
    await putting;
    const later = engine.open(place);
    const listed = await later.deadLetters.list({}, { limit: 1000, maxData: 1 });
    const ids = listed.map(({ id }) => id);
    expect(safe.filter((id) => !ids.includes(id))).toEqual([]);
    for (const id of ids)
      expect((await later.deadLetters.get(id))?.event.data?.length).toBe(data.length);
  });
});
