import { expect, test } from "vitest";
import { metricsOf, readTrigger } from "../../src/scaler/trigger.ts";

test("a trigger names components, and may say how many events are for a replica and from how many on there is work", () => {
  expect(readTrigger({ component: "orders" })).toEqual({
    ...{ components: ["orders"], namespace: undefined, perReplica: 10, activation: 0 },
  });
  const all = {
    ...{ scalerAddress: "scaler:9191", enableTLS: "true", component: " orders, bills,orders " },
    ...{ backlogPerReplica: "0.5", activationBacklog: "3", namespace: "shops" },
  };
  expect(readTrigger(all)).toEqual({
    ...{ components: ["orders", "bills"], namespace: "shops", perReplica: 0.5, activation: 3 },
  });
});

test.each([
  [{}, "name no component"],
  [{ component: " , " }, "name no component"],
  [{ component: "a", backlogPerreplica: "5" }, "did you mean backlogPerReplica?"],
  [{ component: "a", lag: "5" }, "unknown key"],
  [{ component: "a", backlogPerReplica: "0" }, "above 0"],
  [{ component: "a", backlogPerReplica: "-1" }, 'backlogPerReplica "-1" is not a number'],
  [{ component: "a", activationBacklog: "many" }, 'activationBacklog "many" is not a number'],
])("%j is refused: %s", (metadata: Record<string, string>, text) => {
  expect(() => readTrigger(metadata)).toThrow(text);
});

test("each component has a metric of its own, by a name that a path takes", () => {
  const trigger = readTrigger({ component: "Orders/new,orders-new,grün" });
  expect(metricsOf(trigger)).toEqual([
    { name: "cufflink-orders-new", component: "Orders/new" },
    { name: "cufflink-orders-new-2", component: "orders-new" },
    { name: "cufflink-gr-n", component: "grün" },
  ]);
});
