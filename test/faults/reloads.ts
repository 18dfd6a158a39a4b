import { setTimeout as pause } from "node:timers/promises";
import { until } from "../until.ts";
import { Load } from "./load.ts";
import { judge, type Handled } from "./oracle.ts";
import type { OpenedSource, Source } from "./opened-source.ts";
import type { ComponentYaml } from "./runtime-process.ts";
import { allHandled, figuresOf, withFixture, problemsOf, type Result } from "./scenario.ts";
import type { FixtureOptions } from "./fixture.ts";

/** The longest that nothing may be handled around a change, in milliseconds. */
const most = 10_000;
/**
 * The same around one that cannot be used, or three times as long as it happens without any change; of each kind of
 * them the middle one is judged. What interrupts does so each time, and a busy machine stands still in some.
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
    const undisturbed = longestGap(app.handled(), calmFrom);
    const gaps = new Map<Kind, number[]>();
    const reads = runtime.watch("resources have changed");
    const refusals = runtime.watch('"outcome":"refused"');
    for (let number = 0; number < count; number++) {
      const before = app.handled().length;
      const kind = number % 2 === 1 ? brokenKind(opened, number) : "changed";
      runtime.configure(definition(kind, opened, number));
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
      gaps.set(kind, [...(gaps.get(kind) ?? []), longestGap(app.handled(), before)]);
    }
    const refused = refusals();
    runtime.configure(component);
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    const exit = await runtime.end();
    const verdict = judge({ produced: load.produced, handled: app.handled() });
    const { changed = [], ...refusedOnes } = Object.fromEntries(gaps);
    const broken = Object.values(refusedOnes);
    const longestChanged = Math.max(...changed);
    const longestBroken = Math.max(...broken.flat());
    const usualBroken = Math.max(...broken.map(middleOf));
    const failures = [
      ...problemsOf(verdict, opened.ordered, 0),
      ...(exit === "ended with code 0" ? [] : [`the runtime ${exit}`]),
      ...(runtime.lives.length === 1 ? [] : ["the runtime did not live through it"]),
      ...(refused === Math.floor(count / 2) ? [] : [`${refused} of ${count} were refused`]),
      ...tooLong("refused, as a rule", usualBroken, Math.max(mostWhenBroken, 3 * undisturbed)),
      ...tooLong("refused", longestBroken, most),
      ...tooLong("taken over", longestChanged, most),
    ];
    const told = `${undisturbed} ms without one, ${longestBroken} ms around one refused (as a rule ${usualBroken} ms), ${longestChanged} ms around one taken over`;
    return {
      failures,
      figures: `${count} changes, ${figuresOf(verdict)}, longest gap between events ${told}`,
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

function middleOf(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? 0;
}

/** A change that can be used, or why one cannot. */
type Kind = "changed" | "no YAML" | "no such type" | "a wrong value" | "unreachable";

/** By turns; now and then a server that is not there. */
function brokenKind({ unreachable }: OpenedSource, number: number): Kind {
  const turn = Math.floor(number / 2);
  if (unreachable !== undefined && turn % unreachableEvery === unreachableEvery - 1)
    return "unreachable";
  return (["no YAML", "no such type", "a wrong value"] as const)[turn % 3] ?? "no YAML";
}

function definition(
  kind: Kind,
  { component, unreachable }: OpenedSource,
  number: number,
): ComponentYaml | string {
  const { metadata } = component;
  switch (kind) {
    case "changed":
      return { ...component, metadata: { ...metadata, maxInFlight: String(32 + (number % 64)) } };
    case "no YAML":
      return "apiVersion: dapr.io/v1alpha1\nkind: [Component\n  metadata: :";
    case "no such type":
      return { ...component, type: "bindings.nosuch" };
    case "a wrong value":
      return { ...component, metadata: { ...metadata, maxInFlight: "many" } };
    case "unreachable":
      return { ...component, initTimeout: "2s", metadata: { ...metadata, ...unreachable } };
  }
}
