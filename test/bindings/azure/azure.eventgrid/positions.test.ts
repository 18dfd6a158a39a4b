// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import { reservePort } from "../../../servers/ports.ts";
import { read } from "../../contract.ts";
import { eventGridSource } from "./contract-source.ts";
import { startBoth } from "./both.ts";
import { cloudEvent } from "./stand-in.ts";

const soon = { timeout: 20_000, interval: 5 };

async function begun() {
  const both = await startBoth(await reservePort());
  const running = await read(eventGridSource, { properties: both.properties });
  await vi.waitFor(() => expect(running.status().state).toBe("running"), soon);
  return { ...both, ...running };
}

const ids = (texts: readonly string[]): string[] =>
  texts.map((text) => (JSON.parse(text) as { id: string }).id);

test("azure.eventgrid: Without a position", async () => {
  const { grid, webhook, post, app } = await begun();
  // Event Grid sends what is published from then on.
  expect(grid.state.puts).toHaveLength(1);
  expect([...grid.subscriptions.values()]).toMatchObject([
    { destination: { properties: { endpointBaseUrl: webhook } } },
  ]);
  expect((await post(JSON.stringify(cloudEvent("1", 1)))).status).toBe(200);
  expect(ids(app.texts)).toEqual(["1"]);
});

test("azure.eventgrid: After a gap", async () => {
  const { post, runtime, app, properties } = await begun();
  await runtime.close();
  // Event Grid gives up what is never answered; nobody tells of it.
  await expect(post(JSON.stringify(cloudEvent("lost", 1)))).rejects.toThrow();
  const again = await read(eventGridSource, { properties });
  await vi.waitFor(() => expect(again.status().state).toBe("running"), soon);
  expect((await post(JSON.stringify(cloudEvent("next", 1)))).status).toBe(200);
  expect([...app.texts, ...ids(again.app.texts)]).toEqual(["next"]);
});

test("azure.eventgrid: Grows", async () => {
  const { post, app } = await begun();
  for (const id of ["1", "2"]) await post(JSON.stringify(cloudEvent(id, id)));
  expect(ids(app.texts)).toEqual(["1", "2"]);
});

test("azure.eventgrid: Shrinks", async () => {
  const { post, app, status } = await begun();
  await post(JSON.stringify(cloudEvent("1", 1)));
  // Nothing is kept here that could shrink.
  await vi.waitFor(() => expect(status()).toMatchObject({ handled: 1, waiting: 0 }), soon);
  expect(ids(app.texts)).toEqual(["1"]);
});

test("azure.eventgrid: Made anew", async () => {
  const { grid, runtime, properties } = await begun();
  await runtime.close();
  grid.subscriptions.clear();
  const again = await read(eventGridSource, { properties });
  await vi.waitFor(() => expect(again.status().state).toBe("running"), soon);
  expect(grid.state.puts).toHaveLength(2);
});
