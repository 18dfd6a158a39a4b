import { onTestFinished, test } from "vitest";
import type { Delivery, Outcome } from "../../src/runtime/app.ts";
import {
  read as startReading,
  testInput,
  testRestart as testRestartOf,
  type Place,
  type RestartableServer,
  type Source,
  type StartedInput,
} from "../../src/testkit/binding/input-suite.ts";

export type { Place, RestartableServer, Source };

/** What each input promises, whatever it reads from. */
export function testSource(name: string, source: Source): void {
  testInput(test, name, source);
}

export function testRestart(name: string, source: Source, server: RestartableServer): void {
  testRestartOf(test, name, source, server);
}

/** A runtime with the source's component, and an app that answers by the event's text; closed after the test. */
export async function read(
  source: Pick<Source, "binding">,
  place: Pick<Place, "properties" | "store">,
  answer?: (text: string, delivery: Delivery) => Outcome | Promise<Outcome>,
  properties: Record<string, string> = {},
): Promise<StartedInput> {
  const started = await startReading(source, place, answer, properties);
  endAfterTest(() => started.close());
  return started;
}

/** Ends something after the test, once what was begun later has ended. */
export function endAfterTest(end: () => Promise<unknown> | void): void {
  onTestFinished(async () => void (await end()));
}
