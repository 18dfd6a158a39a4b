import { expect, test } from "vitest";
import type { HistoryRecord } from "../../../src/store/records.ts";
import { withEngines } from "../engines.ts";
import { deadLetter } from "../records.ts";

const mebibyte = 1024 * 1024;

/** Bytes of which no two parts are the same. */
function bytes(size: number, seed: number): Buffer {
  const all = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4)
    all.writeUInt32LE((at * 2_654_435_761 + seed) >>> 0, at);
  return all;
}

withEngines((engine) => {
  test("a payload of 4 MiB comes back whole, is replaced by a small one and a large one, and goes", async () => {
    const { deadLetters } = engine.open(engine.place());
    const first = deadLetter({ event: { data: bytes(4 * mebibyte, 1) } });
    await deadLetters.put(first, "f");
    const read = async () => Buffer.from((await deadLetters.get(first.id))?.event.data ?? []);
    const same = async (data: Buffer) => expect((await read()).equals(data)).toBe(true);
    await same(bytes(4 * mebibyte, 1));
    const [listed] = await deadLetters.list({}, { limit: 1, maxData: mebibyte });
    expect([listed?.size, listed?.event.data]).toEqual([4 * mebibyte, undefined]);
    const [whole] = await deadLetters.list({}, { limit: 1 });
    expect(whole?.event.data?.length).toBe(4 * mebibyte);
    for (const data of [bytes(10, 2), bytes(3 * mebibyte, 3), bytes(2 * mebibyte, 4)]) {
      await deadLetters.replace({ ...first, event: { ...first.event, data } });
      await same(data);
    }
    expect(await deadLetters.remove([first.id])).toBe(1);
    expect(await deadLetters.get(first.id)).toBeUndefined();
  });

  test("headers and texts may be larger than a message, too", async () => {
    const { deadLetters } = engine.open(engine.place());
    const letter = deadLetter({
      reason: "x".repeat(1.5 * mebibyte),
      event: { headers: [{ name: "large", value: bytes(2 * mebibyte, 1) }], key: bytes(10, 5) },
    });
    await deadLetters.put(letter, "f");
    const kept = await deadLetters.get(letter.id);
    expect(kept?.reason).toBe(letter.reason);
    expect(bytes(2 * mebibyte, 1).equals(kept?.event.headers[0]?.value ?? Buffer.alloc(0))).toBe(
      true,
    );
    const [listed] = await deadLetters.list({ reason: "xX" }, { limit: 2, maxData: 1 });
    expect([listed?.event.headers[0]?.value.length, listed?.event.data]).toEqual([
      2 * mebibyte,
      undefined,
    ]);
  });

  test("results of claims, histories and checkpoints may be larger than a message", async () => {
    const { claims, history, checkpoints } = engine.open(engine.place());
    await claims.complete("mail", "k", "f", bytes(1.5 * mebibyte, 1), 60_000);
    const claim = await claims.claim("mail", "k", "f", 60_000);
    expect(claim.state === "done" && claim.result?.length).toBe(1.5 * mebibyte);
    const record: HistoryRecord = {
      ...{ component: "orders", eventId: "e", source: "", receivedAt: 1, attempts: [] },
      ...{ renewals: [], traceId: "", endedAt: 1, deadLetter: undefined },
      ...{ end: "dropped", reason: "small" },
    };
    const large = { ...record, reason: "y".repeat(2 * mebibyte) };
    await history.append([record, large, { ...large, endedAt: 2 }]);
    const found = await history.find("e", undefined);
    expect(found.map(({ reason }) => reason.length).sort((a, b) => b - a)).toEqual([
      2 * mebibyte,
      2 * mebibyte,
      5,
    ]);
    const position = "z".repeat(2 * mebibyte);
    await checkpoints.put("feed", "p", { fingerprint: "f", position });
    expect((await checkpoints.load("feed", "p"))?.position).toBe(position);
  });
});
