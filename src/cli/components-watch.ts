import { setTimeout as delay } from "node:timers/promises";
import { BindingError } from "../errors.ts";
import type { RuntimeClient } from "../rpc/client.ts";
import type { ListedComponent } from "../rpc/listed-component.ts";
import { formatTable, plain } from "./terminal.ts";

/** Between two looks, in milliseconds. */
const pause = 1000;
const clear = "\u001b[H\u001b[2J\u001b[3J";

export type WatchOptions = {
  /** Only the component of this name. */
  readonly name: string | undefined;
  /** A line of JSON for each change, else one for people. */
  readonly json: boolean;
  readonly table: (components: readonly ListedComponent[]) => string;
  /** What is thrown where there is no component of that name at the start. */
  readonly unknown: (name: string, all: readonly ListedComponent[]) => Error;
};

/**
 * Shows the components until Ctrl-C, or until nobody reads any more: on a terminal the table, drawn anew each second;
 * elsewhere, and as JSON, a line for each component at first and whenever its state or the reason changes. A runtime
 * that goes away is waited for. Rejects when there is none at the start.
 */
export async function watchComponents(client: RuntimeClient, options: WatchOptions): Promise<void> {
  const stop = new AbortController();
  const onStop = (): void => stop.abort();
  process.once("SIGINT", onStop).once("SIGTERM", onStop);
  process.stdout.once("close", onStop);
  const show = process.stdout.isTTY && !options.json ? drawing(options) : changes(options);
  try {
    const all = await client.components();
    const first = named(all, options.name);
    if (options.name !== undefined && first.length === 0) throw options.unknown(options.name, all);
    show(first);
    while (!stop.signal.aborted) {
      await delay(pause, undefined, { signal: stop.signal }).catch(() => undefined);
      if (stop.signal.aborted) break;
      const found = await client.components().catch(absence);
      show(typeof found === "string" ? found : named(found, options.name));
    }
  } finally {
    process.off("SIGINT", onStop).off("SIGTERM", onStop);
    process.stdout.off("close", onStop);
  }
}

function named(all: readonly ListedComponent[], name: string | undefined): ListedComponent[] {
  return all.filter((one) => name === undefined || one.name === name);
}

/** Why the runtime did not answer; what will be so again is thrown. */
function absence(error: unknown): string {
  const { reason, message } = BindingError.from(error);
  if (reason === "unavailable" || reason === "deadline_exceeded") return message;
  throw error;
}

type Show = (found: readonly ListedComponent[] | string) => void;

function drawing({ table }: WatchOptions): Show {
  return (found) => {
    const text = typeof found === "string" ? plain(found) : table(found);
    process.stdout.write(`${clear}${text}\n`);
  };
}

function changes({ json }: WatchOptions): Show {
  let before = new Map<string, string>();
  let isAway = false;
  const write = (one: Pick<ListedComponent, "name" | "state" | "reason">): void => {
    const at = new Date().toISOString();
    const { name, state, reason } = one;
    const line = json
      ? JSON.stringify({ at, ...one })
      : formatTable([[at, name, state, plain(reason)]]);
    process.stdout.write(`${line}\n`);
  };
  return (found) => {
    if (typeof found === "string") {
      if (!isAway) process.stderr.write(`cufflink: ${plain(found)}\nwaiting for it\n`);
      isAway = true;
      return;
    }
    if (isAway) process.stderr.write("the runtime answers again\n");
    isAway = false;
    const now = new Map(found.map((one) => [one.name, `${one.state}\n${one.reason}`]));
    for (const one of found) if (before.get(one.name) !== now.get(one.name)) write(one);
    for (const name of before.keys())
      if (!now.has(name)) write({ name, state: "removed", reason: "" });
    before = now;
  };
}
