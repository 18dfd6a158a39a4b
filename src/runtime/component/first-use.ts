import type { AnyBinding } from "../../binding.ts";
import type { ComponentSpec } from "../../component.ts";
import type { App } from "../app.ts";
import { readDefinition, type Definition } from "./opening.ts";
import { delay } from "../../delay.ts";

export type FirstUseOptions = {
  readonly spec: ComponentSpec;
  readonly binding: AnyBinding;
  readonly app: App | undefined;
  /** Resolves at the first invocation. */
  readonly used: Promise<void>;
  readonly signal: AbortSignal;
  /** Told once, when the component is `lazy`. */
  readonly onLazy: (definition: Definition) => void;
};

/** How long the app is left alone between two questions, in milliseconds. */
const askAgainAfter = 5_000;

/**
 * Resolves once a component with `readiness: lazy` is invoked, or the app wants its events; for any other
 * one, and one whose metadata cannot be read, at once. Never rejects.
 */
export async function firstUse(options: FirstUseOptions): Promise<void> {
  const { spec, binding, app, used, signal } = options;
  if (!spec.properties.some(({ name }) => name.toLowerCase() === "readiness")) return;
  const definition = await readDefinition(spec, binding).catch(() => undefined);
  if (definition?.settings.readiness !== "lazy" || definition.settings.required) return;
  options.onLazy(definition);
  const wanted = definition.directions.input && app !== undefined;
  const gaveUp = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const found = new AbortController();
  const asking = AbortSignal.any([signal, found.signal]);
  await Promise.race([
    used,
    gaveUp,
    ...(wanted ? [untilWanted(app, definition, spec, asking)] : []),
  ]);
  found.abort();
}

async function untilWanted(
  app: App,
  { settings }: Definition,
  { name }: ComponentSpec,
  signal: AbortSignal,
): Promise<void> {
  const route = settings.route || name;
  while (!signal.aborted) {
    if (app.available) {
      if (settings.direction !== undefined) return;
      if (await app.wants({ name, route }, signal).catch(() => false)) return;
    }
    await appMayWant(app, signal);
  }
}

/** Resolves when the app's availability changes, or after a while. */
async function appMayWant(app: App, signal: AbortSignal): Promise<void> {
  const changed = new AbortController();
  const unsubscribe = app.onAvailability(() => changed.abort());
  await delay(askAgainAfter, AbortSignal.any([signal, changed.signal]));
  unsubscribe();
}
