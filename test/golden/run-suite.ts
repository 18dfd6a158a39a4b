import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Component } from "../reliability/runtime.ts";
import { until } from "../until.ts";
import { startRecordingApp, type Road, type SeenEvent } from "./app.ts";
import { ask, type Answer } from "./ask.ts";
import type { Served } from "./cufflink.ts";
import type { Suite, World } from "./suite.ts";

/** What a runtime answered and delivered, by the calls' names. */
export type Answers = {
  readonly calls: Readonly<Record<string, Answer>>;
  readonly events: readonly SeenEvent[];
};

/** Starts a runtime over components, with its app at a port. */
export type Serve = (
  components: readonly Component[],
  app: { road: Road; port: number; environment?: Readonly<Record<string, string>> },
) => Promise<Served>;

/** Puts all of a suite's questions to a runtime of its own, over one road. */
export async function runSuite(
  suite: Suite,
  road: Road,
  servers: World["servers"],
  serve: Serve,
): Promise<Answers> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "cufflink-golden-")));
  const prepared = await suite.prepare({ road, folder, servers });
  try {
    await using app = await startRecordingApp(road, prepared.inputs ?? []);
    await using served = await serve(prepared.components, {
      ...{ road, port: app.port, environment: prepared.environment ?? {} },
    });
    const calls: Record<string, Answer> = {};
    for (const one of prepared.calls) {
      const answer = await ask(served, road, one);
      if (answer !== undefined) calls[one.name] = answer;
    }
    await prepared.send?.(() => app.events.length > 0);
    const { events: wanted = 0 } = prepared;
    const events = (): SeenEvent[] => app.events.filter(({ body }) => body !== probe);
    await until(() => events().length >= wanted, {
      ...{ what: () => `${wanted} events, not ${events().length}`, within: 60_000 },
    });
    // Go's protobuf library writes a space of the one kind or the other, so that nobody relies on its texts.
    const always = [[folder, "{folder}"] as const, ["\u00a0", " "] as const];
    const names = [...(prepared.names ?? []), ...always];
    return JSON.parse(
      renamed(JSON.stringify({ calls, events: events().slice(0, wanted).toSorted(byBody) }), names),
    ) as Answers;
  } finally {
    await prepared.close?.();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Events of one source may come in any order. */
function byBody(one: SeenEvent, other: SeenEvent): number {
  return one.body < other.body ? -1 : one.body > other.body ? 1 : 0;
}

/** What finds out whether an input reads. */
export const probe = "probe";

function renamed(text: string, names: readonly (readonly [string | RegExp, string])[]): string {
  return names.reduce((changed, [from, to]) => changed.replaceAll(from, () => to), text);
}
