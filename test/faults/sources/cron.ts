import type { OpenedSource, Source } from "../opened-source.ts";
import type { ComponentYaml } from "../runtime-process.ts";
import { poisonComponent } from "../tick.ts";

/** A tick each second. */
export const cron: Source = cronSource(ticking("tick"));

/** So many ticks each second, each of a component of its own, and one each so many seconds that is always refused. */
export function poisonedCron(perSecond: number, seconds: number): Source {
  const more = Array.from({ length: perSecond - 1 }, (_, index) => ticking(`tick-${index + 1}`));
  return cronSource(ticking("tick"), ...more, ticking(poisonComponent, `@every ${seconds}s`));
}

function cronSource(component: ComponentYaml, ...more: readonly ComponentYaml[]): Source {
  return {
    name: "cron",
    // Which tick it is, by the time when it was due, only events of a stream say.
    mode: "stream",
    bounds: { app: 1, runtime: 1, server: 0 },
    opened: () =>
      Promise.resolve({
        ...{ component, more, ordered: true, forgets: true },
        async [Symbol.asyncDispose]() {},
      } satisfies OpenedSource),
  };
}

function ticking(name: string, schedule = "* * * * * *"): ComponentYaml {
  return { name, type: "bindings.cron", metadata: { schedule, direction: "input" } };
}
