import { once } from "node:events";
import { expect, test, vi } from "vitest";
import { eventsOf, fleetOf } from "../../relay/replicas.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { record } from "../record.ts";

const soon = { timeout: 60_000, interval: 20 };

describeWith("nats", { own: true }, (server) => {
  test("replicas come, are killed, are frozen and leave: nothing is lost, and keys keep their order", async () => {
    const { source, oracle, spawn, forget, counts } = fleetOf(server.url, 40);
    const hasWorked = (name: string) =>
      vi.waitFor(() => expect(counts.get(`${name}ended`)).toBeGreaterThan(50), soon);
    const whole = eventsOf(60);
    source.send(...whole.slice(0, 600));
    const b = await spawn("b");
    source.send(...whole.slice(600, 1_200));
    await hasWorked("b");
    // Killed: its partitions go on elsewhere.
    b.kill("SIGKILL");
    forget("b");
    const c = await spawn("c");
    const d = await spawn("d");
    source.send(...whole.slice(1_200, 1_800));
    await hasWorked("c");
    // Frozen: others have its partitions when it wakes up.
    c.kill("SIGSTOP");
    forget("c");
    source.send(...whole.slice(1_800));
    await vi.waitFor(() => expect(oracle.ended.size).toBe(whole.length), soon);
    const before = oracle.duplicates;
    c.kill("SIGCONT");
    const more = eventsOf(5, 60);
    source.send(...more);
    whole.push(...more);
    // What it had in its hands ends, and nothing else of what others have done.
    await vi.waitFor(() => expect(oracle.ended.size).toBeGreaterThan(2_400), soon);
    expect(oracle.duplicates).toBe(before);
    // Stopped as at a rolling update.
    d.send({ end: true });
    await once(d, "exit");
    forget("d");
    await vi.waitFor(() => expect(oracle.ended.size).toBe(whole.length), soon);
    expect(oracle.outOfOrder).toEqual([]);
    expect(source.handled).toHaveLength(whole.length);
    // What the killed one and the frozen one had.
    expect(oracle.duplicates).toBeLessThan(2 * 64 + 1);
    await record("relay", {
      ...{ events: whole.length, lost: 0, outOfOrder: 0, duplicates: oracle.duplicates },
    });
  }, 180_000);
});
