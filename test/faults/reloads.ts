import { setTimeout as pause } from "node:timers/promises";
import { until } from "../until.ts";
import { Load } from "./load.ts";
import { judge, type Handled } from "./oracle.ts";
import type { OpenedSource, Source } from "./opened-source.ts";
import type { ComponentYaml } from "./runtime-process.ts";
import { allHandled, figuresOf, withFixture, problemsOf, type Result } from "./scenario.ts";
import type { FixtureOptions } from "./fixture.ts";

/** The longest that nothing may be handled around a change that is taken over, in milliseconds. */
const mostWhenChanged = 10_000;
/**
 * The same around one that cannot be used, or three times as long as it happens without any change: a busy machine
 * makes gaps of its own. One that did take the input down would keep it down until the next change, and so for ever.
 */
const mostWhenBroken = 1_000;
/** How often one of the broken ones names a server that is not there: to see that takes as long as `initTimeout`. */
const unreachableEvery = 10;

/**
 * The component's file is changed again and again under load, every second time into one that cannot be used. Nothing
 * is lost or handled twice, what cannot be used is refused and interrupts nothing, and a change that is taken over
 * does not for long.
 */
export function reloads(source: Source, options: FixtureOptions, count: number): Promise<Result> {
  return withFixture(source, options, async ({ runtime, app, opened }) => {
    const { component } = opened;
    await app.start();
    runtime.configure(component);
    await runtime.start();
    await runtime.running(component.name);
    const load = new Load(opened, { perSecond: 100 });
    load.start();
    await until(() => app.handled().length >= 50, { what: "the first events", within: 60_000 });
    // As it is without any change, for about a tenth of the time that the changes take.
    const calmFrom = app.handled().length;
    await pause(Math.max(3_000, count * 30));
    const longest = { undisturbed: longestGap(app.handled(), calmFrom), changed: 0, broken: 0 };
    const reads = runtime.watch("resources have changed");
    const refusals = runtime.watch('"outcome":"refused"');
    for (let number = 0; number < count; number++) {
      const isBroken = number % 2 === 1;
      const before = app.handled().length;
      runtime.configure(isBroken ? broken(opened, number) : changed(component, number));
      // It was read, and delivery goes on: some more are handled after each change.
      await until(() => reads() > number, {
        what: () => `change ${number} to be read:\n${runtime.output()}`,
        within: 60_000,
      });
      const since = app.handled().length;
      await until(() => app.handled().length >= since + 5, {
        what: () => `events after change ${number}:\n${runtime.output()}`,
        within: 30_000,
      });
      const kind = isBroken ? "broken" : "changed";
      longest[kind] = Math.max(longest[kind], longestGap(app.handled(), before));
    }
    const refused = refusals();
    runtime.configure(component);
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    const exit = await runtime.end();
    const verdict = judge({ produced: load.produced, handled: app.handled() });
    const { undisturbed } = longest;
    const failures = [
      ...problemsOf(verdict, opened.ordered, 0),
      ...(exit === "ended with code 0" ? [] : [`the runtime ${exit}`]),
      ...(runtime.lives.length === 1 ? [] : ["the runtime did not live through it"]),
      ...(refused === Math.floor(count / 2) ? [] : [`${refused} of ${count} were refused`]),
      ...tooLong("refused", longest.broken, Math.max(mostWhenBroken, 3 * undisturbed)),
      ...tooLong("taken over", longest.changed, mostWhenChanged),
    ];
    const gaps = `${undisturbed} ms without one, ${longest.broken} ms around one refused, ${longest.changed} ms around one taken over`;
    return {
      failures,
      figures: `${count} changes, ${figuresOf(verdict)}, longest gap between events ${gaps}`,
    };
  });
}

/** In milliseconds, from the last one before an index on. */
function longestGap(handled: readonly Handled[], from: number): number {
  let longest = 0;
  for (let index = Math.max(1, from); index < handled.length; index++)
    longest = Math.max(longest, (handled[index]?.at ?? 0) - (handled[index - 1]?.at ?? 0));
  return longest;
}

function tooLong(what: string, gap: number, most: number): string[] {
  return gap <= most ? [] : [`nothing was handled for ${gap} ms around a change ${what}`];
}

function changed(component: ComponentYaml, number: number): ComponentYaml {
  return {
    ...component,
    metadata: { ...component.metadata, maxInFlight: String(32 + (number % 64)) },
  };
}

/** By turns: no YAML, an unknown type, a value that the type refuses; now and then a server that is not there. */
function broken({ component, unreachable }: OpenedSource, number: number): ComponentYaml | string {
  const turn = Math.floor(number / 2);
  const { metadata } = component;
  if (unreachable !== undefined && turn % unreachableEvery === unreachableEvery - 1)
    return { ...component, initTimeout: "2s", metadata: { ...metadata, ...unreachable } };
  if (turn % 3 === 0) return "apiVersion: dapr.io/v1alpha1\nkind: [Component\n  metadata: :";
  if (turn % 3 === 1) return { ...component, type: "bindings.nosuch" };
  return { ...component, metadata: { ...metadata, maxInFlight: "many" } };
}
