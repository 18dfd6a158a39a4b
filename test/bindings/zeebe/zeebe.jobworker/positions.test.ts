// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import jobworker from "../../../../src/bindings/zeebe/zeebe.jobworker/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { bpmn, zeebePeer } from "../peer.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("zeebe", (server) => {
  async function place() {
    const peer = zeebePeer(server);
    const { type, processId } = await peer.place();
    const properties = {
      ...{ gatewayAddr: `${server.host}:${server.port}`, usePlainTextConnection: "true" },
      jobType: type,
    };
    return {
      ...{ peer, type, processId },
      start: (text: string) => peer.start(processId, JSON.stringify({ text })),
      begin: () => read({ binding: jobworker }, { properties }),
    };
  }
  const event = (text: string): string => JSON.stringify({ text });

  test("zeebe.jobworker: Without a position", async () => {
    const { start, begin } = await place();
    await start("1");
    await start("2");
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"].map(event)), soon);
  });

  test("zeebe.jobworker: After a gap", async () => {
    const { start, begin, peer, type } = await place();
    const cancelled = await start("1");
    await start("2");
    // It is another worker's for a moment.
    expect(await peer.activate(type, 200)).toHaveLength(2);
    await peer.cancel(cancelled);
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.texts).toEqual([event("2")]);
  });

  test("zeebe.jobworker: Grows", async () => {
    const { start, begin } = await place();
    await start("1");
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual([event("1")]), soon);
    await start("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"].map(event)), soon);
  });

  test("zeebe.jobworker: Shrinks", async () => {
    const { start, begin, peer, type } = await place();
    const instance = await start("1");
    await peer.cancel(instance);
    await start("2");
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.texts).toEqual([event("2")]);
    expect(await peer.activate(type)).toEqual([]);
  });

  test("zeebe.jobworker: Made anew", async () => {
    const { start, begin, peer, type, processId } = await place();
    const { app } = await begin();
    await start("1");
    await vi.waitFor(() => expect(app.texts).toEqual([event("1")]), soon);
    await peer.deploy(bpmn(processId, { type }));
    await start("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"].map(event)), soon);
    const [first, second] = app.deliveries;
    expect(first?.metadata["X-Zeebe-Process-Definition-Version"]).toBe("1");
    expect(second?.metadata["X-Zeebe-Process-Definition-Version"]).toBe("2");
  });
});
