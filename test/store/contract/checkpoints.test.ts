import { expect, test } from "vitest";
import { withEngines } from "../engines.ts";

withEngines((engine) => {
  test("a checkpoint is there for the next process, by component and partition; a later one takes its place", async () => {
    const place = engine.place();
    const first = engine.open(place);
    await first.checkpoints.put("feed", "", { fingerprint: "a", position: "1" });
    await first.checkpoints.put("feed", "", { fingerprint: "a", position: "grün\n2" });
    await first.checkpoints.put("feed", "p1", { fingerprint: "b", position: "" });
    await first.close();
    const second = engine.open(place);
    expect(await second.checkpoints.load("feed", "")).toEqual({
      ...{ fingerprint: "a", position: "grün\n2" },
    });
    expect(await second.checkpoints.load("feed", "p1")).toEqual({ fingerprint: "b", position: "" });
    expect(await second.checkpoints.load("feed", "p2")).toBeUndefined();
    expect(await second.checkpoints.load("other", "")).toBeUndefined();
  });
});
