import { until } from "../until.ts";
import { Load } from "./load.ts";
import { judge } from "./oracle.ts";
import type { Source } from "./place.ts";
import type { ComponentYaml } from "./runtime-process.ts";
import { allHandled, figuresOf, onStage, problemsOf, type Result } from "./scenario.ts";
import type { StageOptions } from "./stage.ts";

/**
 * The component's file is changed again and again under load, every second time into one that cannot be used. Nothing
 * is lost or handled twice, and what cannot be used interrupts nothing.
 */
export function reloads(source: Source, options: StageOptions, count: number): Promise<Result> {
  return onStage(source, options, async ({ runtime, app, place }) => {
    const { component } = place;
    await app.start();
    runtime.configure(component);
    await runtime.start();
    await runtime.running(component.name);
    const load = new Load(place, { perSecond: 100 });
    load.start();
    let worst = 0;
    const reads = runtime.watch("resources have changed");
    for (let number = 0; number < count; number++) {
      const before = app.handled().length;
      const from = Date.now();
      runtime.configure(number % 2 === 0 ? changed(component, number) : broken(component, number));
      // It was read, and delivery goes on: some more are handled after each change.
      await until(() => reads() > number, {
        what: () => `change ${number} to be read:\n${runtime.output()}`,
        within: 60_000,
      });
      await until(() => app.handled().length >= before + 5, {
        what: () => `events after change ${number}:\n${runtime.output()}`,
        within: 30_000,
      });
      worst = Math.max(worst, Date.now() - from);
    }
    runtime.configure(component);
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    const exit = await runtime.end();
    const verdict = judge({ produced: load.produced, handled: app.handled() });
    const failures = [
      ...problemsOf(verdict, place.ordered, 0),
      ...(exit === "ended with code 0" ? [] : [`the runtime ${exit}`]),
      ...(runtime.lives.length === 1 ? [] : ["the runtime did not live through it"]),
    ];
    return {
      failures,
      figures: `${count} changes, ${figuresOf(verdict)}, longest until five more were handled ${worst} ms`,
    };
  });
}

function changed(component: ComponentYaml, number: number): ComponentYaml {
  return {
    ...component,
    metadata: { ...component.metadata, maxInFlight: String(32 + (number % 64)) },
  };
}

/** By turns: no YAML, an unknown type, a value that the type refuses. */
function broken(component: ComponentYaml, number: number): ComponentYaml | string {
  const kind = Math.floor(number / 2) % 3;
  if (kind === 0) return "apiVersion: dapr.io/v1alpha1\nkind: [Component\n  metadata: :";
  if (kind === 1) return { ...component, type: "bindings.nosuch" };
  return { ...component, metadata: { ...component.metadata, maxInFlight: "many" } };
}
