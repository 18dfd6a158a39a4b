// One test for each cell of the row in docs/positions.md.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import kubernetes from "../../../src/bindings/kubernetes/index.ts";
import { KubernetesEvents } from "../../servers/kubernetes-events.ts";
import { endAfterTest, read } from "../contract.ts";
import { changesOf, place } from "./place.ts";

const soon = { timeout: 20_000, interval: 5 };
const folder = mkdtempSync(join(tmpdir(), "cufflink-kubernetes-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function start() {
  const api = await KubernetesEvents.start();
  endAfterTest(() => api[Symbol.asyncDispose]());
  const { properties } = place(api, folder);
  return {
    api,
    begin: async () => {
      const { app, close } = await read({ binding: kubernetes }, { properties });
      await vi.waitFor(() => expect(api.watches).toBe(1), soon);
      const seen = () =>
        changesOf(app.deliveries).map(({ event, oldVal, newVal }) => [
          ...[event, newVal.metadata.name ?? oldVal.metadata.name],
        ]);
      return { seen, close };
    },
  };
}

test("kubernetes: Without a position", async () => {
  const { api, begin } = await start();
  api.put("shop", "one");
  api.put("shop", "two");
  const { seen } = await begin();
  await vi.waitFor(() => expect(seen()).toHaveLength(2), soon);
  expect(
    seen()
      .map((one) => one.join(" "))
      .toSorted((a, b) => (a < b ? -1 : 1)),
  ).toEqual([...["add one", "add two"]]);
});

test("kubernetes: After a gap", async () => {
  const { api, begin } = await start();
  for (const name of ["gone", "changed"]) api.put("shop", name);
  const first = await begin();
  await vi.waitFor(() => expect(first.seen()).toHaveLength(2), soon);
  await first.close();
  api.remove("shop", "gone");
  api.put("shop", "changed");
  api.put("shop", "new");
  const { seen } = await begin();
  await vi.waitFor(() => expect(seen()).toHaveLength(2), soon);
  api.put("shop", "last");
  await vi.waitFor(() => expect(seen()).toHaveLength(3), soon);
  expect(
    seen()
      .map((one) => one.join(" "))
      .toSorted((a, b) => (a < b ? -1 : 1)),
  ).toEqual([...["add changed", "add last", "add new"]]);
});

test("kubernetes: Grows", async () => {
  const { api, begin } = await start();
  const { seen } = await begin();
  api.put("shop", "one");
  await vi.waitFor(() => expect(seen()).toEqual([["add", "one"]]), soon);
});

test("kubernetes: Shrinks", async () => {
  const { api, begin } = await start();
  api.put("shop", "one");
  const { seen } = await begin();
  api.remove("shop", "one");
  await vi.waitFor(() => expect(seen()).toHaveLength(2), soon);
  expect(seen()).toEqual([
    ["add", "one"],
    ["delete", "one"],
  ]);
});

test("kubernetes: Made anew", async () => {
  const { api, begin } = await start();
  api.put("shop", "one");
  const { seen } = await begin();
  await vi.waitFor(() => expect(seen()).toHaveLength(1), soon);
  // Its name is the same; it is another one.
  api.remove("shop", "one");
  api.put("shop", "one");
  await vi.waitFor(() => expect(seen()).toHaveLength(3), soon);
  expect(seen()).toContainEqual(["delete", "one"]);
  expect(seen().filter(([event]) => event === "add")).toHaveLength(2);
});
