import { expect, test } from "vitest";
import { until } from "../../until.ts";
import { withEngines } from "../engines.ts";

const pause = { by: "ada", reason: "the shop is closed; gründlich", since: 1_764_150_000_123 };

withEngines((engine) => {
  test("a pause is there for the next process until it is removed; a later one takes its place", async () => {
    const place = engine.place();
    const first = engine.open(place);
    await first.pauses.put("orders", { ...pause, by: "bob" });
    await first.pauses.put("orders", pause);
    expect(await first.pauses.load("others")).toBeUndefined();
    await first.close();
    const second = engine.open(place);
    expect(await second.pauses.load("orders")).toEqual(pause);
    await second.pauses.remove("others");
    await second.pauses.remove("orders");
    await second.close();
    expect(await engine.open(place).pauses.load("orders")).toBeUndefined();
  });

  test("whoever watches is told of a pause and of its end, until it is enough", async () => {
    const { pauses } = engine.open(engine.place());
    const seen: [string, unknown][] = [];
    const stop = pauses.watch((component, change) => seen.push([component, change]));
    await pauses.put("orders", pause);
    await pauses.remove("orders");
    await until(() => seen.length >= 2, { what: "both changes" });
    expect(seen).toEqual([
      ["orders", pause],
      ["orders", undefined],
    ]);
    stop();
    await pauses.put("orders", pause);
    expect(seen).toHaveLength(2);
  });
});
