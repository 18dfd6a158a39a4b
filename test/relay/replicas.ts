import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { endAfterTest } from "../bindings/contract.ts";
import { relayedApp } from "./relayed.ts";

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

/** So many of each key, in turns. */
export function eventsOf(rounds: number, from = 0) {
  return Array.from({ length: rounds * keys }, (_, n) => {
    const key = `k${n % keys}`;
    return { text: `${key}-${from + Math.floor(n / keys)}`, key };
  });
}

/** A replica in this process that reads the source, and others in processes of their own. Each app takes `pause` ms an event. */
export function fleetOf(url: string, pause: number) {
  const shared = relayedApp(url);
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
    const child = fork(program, [url, appId, String(pause)]);
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
  start("a", {
    handle: async (text) => {
      oracle.hear({ kind: "began", text, at: now() });
      await new Promise((resolve) => setTimeout(resolve, pause));
      oracle.hear({ kind: "ended", text, at: now() });
      return { kind: "handled", reply: undefined };
    },
  });
  return { ...shared, oracle, spawn, forget, counts };
}
