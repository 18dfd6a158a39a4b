import { expect, test } from "vitest";
import { attemptRetention } from "../../../src/store/store.ts";
import { withEngines } from "../engines.ts";
import { attempt } from "../records.ts";

withEngines((engine) => {
  test("counts of an earlier process are there, the newest first, of each component", async () => {
    const place = engine.place();
    const first = engine.open(place);
    expect(await first.attempts.load("orders")).toEqual([]);
    await first.attempts.begin("orders", attempt({ identity: "a", begun: 2 }));
    await first.attempts.begin("orders", attempt({ identity: "b", begun: 2 }));
    await first.attempts.begin("orders", attempt({ identity: "a", begun: 3, lastError: "worse" }));
    await first.attempts.begin("returns", attempt({ identity: "a", fingerprint: "other" }));
    await first.close();
    const second = engine.open(place);
    expect(await second.attempts.load("orders")).toEqual([
      attempt({ identity: "a", begun: 3, lastError: "worse" }),
      attempt({ identity: "b" }),
    ]);
    expect(await second.attempts.load("returns")).toMatchObject([{ fingerprint: "other" }]);
  });

  test("what is forgotten is gone for the next process", async () => {
    const place = engine.place();
    const first = engine.open(place);
    await first.attempts.begin("orders", attempt({ identity: "a" }));
    await first.attempts.begin("orders", attempt({ identity: "b" }));
    first.attempts.forget("orders", ["a", "none"]);
    await first.close();
    expect(await engine.open(place).attempts.load("orders")).toMatchObject([{ identity: "b" }]);
  });

  test("what is forgotten and begins again later counts", async () => {
    const store = engine.open(engine.place());
    await store.attempts.begin("orders", attempt({ begun: 5 }));
    store.attempts.forget("orders", ["an identity"]);
    await store.attempts.begin("orders", attempt({ begun: 2 }));
    expect(await store.attempts.load("orders")).toEqual([attempt({ begun: 2 })]);
  });

  test("of more counts than are kept the newest are loaded", async () => {
    const store = engine.open(engine.place());
    const count = attemptRetention.count + 5;
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        store.attempts.begin("orders", attempt({ identity: String(index) })),
      ),
    );
    const loaded = await store.attempts.load("orders");
    expect(loaded).toHaveLength(attemptRetention.count);
    expect(loaded[0]?.identity).toBe(String(count - 1));
    expect(loaded.at(-1)?.identity).toBe("5");
  });
});
