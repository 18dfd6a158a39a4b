import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { describeWith } from "../../servers/describe-with.ts";
import { releasePort, reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";
import { natsEngine } from "../engines.ts";
import { attempt, deadLetter } from "../records.ts";

const port = await reservePort();
const always = mkdtempSync(join(tmpdir(), "cufflink-nats-always-"));
afterAll(async () => {
  await releasePort(port);
  rmSync(always, { recursive: true, force: true });
});

const monitoring = [`http://127.0.0.1:${port}`];
const http = `http: "127.0.0.1:${port}"`;

describeWith("nats", { own: true, config: [http] }, ({ url }) => {
  test("unless each server is known to sync each write, no dead letter is kept, which says what to do", async () => {
    const engine = natsEngine(url);
    const refusal = async (durability: object): Promise<string> => {
      const store = engine.open("shop", { durability });
      // Nothing is settled on the strength of these.
      await store.attempts.begin("orders", attempt());
      await store.checkpoints.put("orders", "", { fingerprint: "f", position: "1" });
      const error: unknown = await store.deadLetters
        .put(deadLetter(), "f")
        .catch((error: unknown) => error);
      expect(error).toMatchObject({ reason: "unavailable", effect: "unsent" });
      return String(error);
    };
    const remedies = ["sync_interval: always", "--store-monitoring", "--store-durability relaxed"];
    const unknown = await refusal({});
    for (const remedy of remedies) expect(unknown).toContain(remedy);
    expect(await refusal({ monitoring })).toMatch(
      /to its disk every 120 s only: set sync_interval/,
    );
    const nowhere = await refusal({ monitoring: ["http://127.0.0.1:1"] });
    expect(nowhere).toContain("127.0.0.1:1");

    // It is told before there is such an event, and once.
    const early = engine.open("shop", { durability: {} });
    await early.look();
    await until(() => early.doubted !== undefined, { what: () => early.log.join() });
    for (const remedy of remedies) expect(early.doubted).toContain(remedy);
    await early.doubt?.();
    const told = early.log.filter((line) => line.includes("whose attempts are used up would wait"));
    expect(told).toEqual([expect.stringMatching(/^warn: .*sync_interval: always/)]);

    const relaxed = engine.open("shop", { durability: { mode: "relaxed" } });
    await relaxed.deadLetters.put(deadLetter(), "f");
    expect([relaxed.doubted, relaxed.log]).toEqual([undefined, []]);
  });
});

describeWith(
  "nats",
  {
    own: true,
    config: [
      http,
      `jetstream { store_dir: "${always}", sync_interval: always }`,
      "accounts { SYS { users: [{ user: sys, password: right }] }, A { jetstream: enabled, users: [{ user: a, password: a }] } }",
      "system_account: SYS",
    ],
  },
  ({ url }) => {
    test("a server that syncs each write is known by its monitoring address, or by the system account", async () => {
      const engine = natsEngine(url.replace("//", "//a:a@"));
      for (const place of [monitoring, [url.replace("//", "//sys:right@")]]) {
        const store = engine.open("shop", { durability: { monitoring: place } });
        const id = await store.deadLetters.put(deadLetter(), "f");
        expect((await store.deadLetters.get(id))?.id).toBe(id);
      }
    });
  },
);
