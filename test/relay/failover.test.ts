import { expect, test, vi } from "vitest";
import { describeWith } from "../servers/describe-with.ts";
import { eventsOf, fleetOf } from "./replicas.ts";

const soon = { timeout: 40_000, interval: 20 };

describeWith("nats", { own: true }, (server) => {
  test("the server is killed and comes back", async () => {
    const { source, oracle, spawn } = fleetOf(server.url, 2);
    await spawn("b");
    const whole = eventsOf(30);
    source.send(...whole.slice(0, 600));
    await vi.waitFor(() => expect(oracle.ended.size).toBeGreaterThan(200), soon);
    await server.kill();
    source.send(...whole.slice(600));
    await server.start();
    await vi.waitFor(() => expect(oracle.ended.size).toBe(whole.length), soon);
    expect(oracle.outOfOrder).toEqual([]);
    await vi.waitFor(() => expect(source.handled).toHaveLength(whole.length), soon);
  }, 120_000);
});
