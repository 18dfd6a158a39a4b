import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { endAfterTest } from "../bindings/contract.ts";
import { describeWith } from "../servers/describe-with.ts";
import { relayedApp } from "./relayed.ts";

const soon = { timeout: 40_000, interval: 20 };
const program = join(import.meta.dirname, "replica-process.ts");

/** What an app has said: the event, and when, in milliseconds since 1970. */
type Said = {
  readonly kind: "began" | "ended" | "ready";
  readonly text: string;
  readonly at: number;
};

/** Says what the apps of all replicas have seen of each key. Events are called `KEY-NUMBER`. */
class Oracle {
  readonly #said: Said[] = [];

  hear(said: Said): void {
    if (said.kind !== "ready") this.#said.push(said);
  }

  get ended(): Set<string> {
    return new Set(this.#said.filter(({ kind }) => kind === "ended").map(({ text }) => text));
  }

  /** Events that began more than once. */
  get duplicates(): number {
    const began = this.#said.filter(({ kind }) => kind === "began");
    return began.length - new Set(began.map(({ text }) => text)).size;
  }

  /** Events that an app had before the one before them in their key had ended anywhere. */
  get outOfOrder(): string[] {
    const ended = new Set<string>();
    const wrong: string[] = [];
    for (const { kind, text } of this.#said.toSorted((a, b) => a.at - b.at)) {
      const [key, number] = text.split("-");
      if (kind === "ended") ended.add(text);
      else if (number !== "0" && !ended.has(`${key}-${Number(number) - 1}`)) wrong.push(text);
    }
    return wrong;
  }
}

const keys = 40;

function eventsOf(rounds: number, from = 0) {
  return Array.from({ length: rounds * keys }, (_, n) => {
    const key = `k${n % keys}`;
    return { text: `${key}-${from + Math.floor(n / keys)}`, key };
  });
}

describeWith("nats", { own: true }, (server) => {
  function place(pause: number) {
    const shared = relayedApp(server.url);
    const { appId, running, fleet, start } = shared;
    const oracle = new Oracle();
    const children = new Map<string, ChildProcess>();
    const counts = new Map<string, number>();
    const tellMembers = (): void => {
      for (const child of children.values())
        if (child.connected) child.send({ members: running.size }, () => undefined);
    };
    /** A replica in a process of its own. */
    const spawn = async (name: string): Promise<ChildProcess> => {
      const child = fork(program, [server.url, appId, String(pause)]);
      endAfterTest(() => void child.kill("SIGKILL"));
      const ready = Promise.withResolvers<void>();
      child.on("message", (said: Said) => {
        if (said.kind === "ready") ready.resolve();
        oracle.hear(said);
        counts.set(name + said.kind, (counts.get(name + said.kind) ?? 0) + 1);
      });
      await ready.promise;
      children.set(name, child);
      running.add(name);
      tellMembers();
      return child;
    };
    const forget = (name: string): void => {
      running.delete(name);
      children.delete(name);
      tellMembers();
    };
    fleet.owner = "a";
    const now = (): number => performance.timeOrigin + performance.now();
    const first = start("a", {
      handle: async (text) => {
        oracle.hear({ kind: "began", text, at: now() });
        await new Promise((resolve) => setTimeout(resolve, pause));
        oracle.hear({ kind: "ended", text, at: now() });
        return { kind: "handled", reply: undefined };
      },
    });
    return { ...shared, first, oracle, spawn, forget, counts };
  }

  test("replicas come, are killed, are frozen and leave: nothing is lost, and keys keep their order", async () => {
    const { source, oracle, spawn, forget, counts, first } = place(40);
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
    console.log(oracle.duplicates, before, counts, first.logger.lines);
    expect(oracle.duplicates).toBeLessThan(300);
  }, 120_000);

  test("the server is killed and comes back", async () => {
    const { source, oracle, spawn } = place(2);
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
