import { faultPoints, reach } from "../../fault-point.ts";
import type { Component } from "./component.ts";
import { readDefinition } from "./opening.ts";

export type ReplacementSteps = {
  /** Resolves once the new one is proved wherever it is to run. Absent: here alone. */
  readonly agree?: ((proved: Promise<void>) => Promise<void>) | undefined;
  /** The new one is open; from now on the old one is interrupted. */
  readonly onVerified: () => void;
  readonly switchOutputs: () => void;
};

/**
 * Puts a component in another one's place, as a transaction: it is opened beside the old one and proved; then
 * the old one stops reading, lets the app finish within its `drainTimeout`, confirms and releases the consumer's
 * identity; then the new one reads, and the outputs switch. The old connection is closed once nobody uses it.
 *
 * Rejects with what kept the new one from following; it is closed then, and the old one goes on as before.
 */
export async function replaceComponent(
  old: Component,
  next: Component,
  { agree, onVerified, switchOutputs }: ReplacementSteps,
): Promise<void> {
  try {
    const proved = prove(old, next);
    await (agree?.(proved.then(() => undefined)) ?? proved);
    if (!(await proved)) return await replaceUnopened(old, next, switchOutputs);
    onVerified();
    if (faultPoints) reach("new component proved");
    await old.input.stopReading(old.drainTimeout);
    if (faultPoints) reach("old component drained");
    await next.follow(old);
  } catch (error) {
    await next.close();
    old.input.readAgain();
    throw error;
  }
  old.succeededBy(next);
  switchOutputs();
  // Invocations that the old one still runs hold nobody up.
  void old.close(old.drainTimeout);
}

/** Opens the new one beside the old one, where that is open: false if it is not. */
async function prove(old: Component, next: Component): Promise<boolean> {
  // Read first, as that takes its time and the old one may be open after it.
  if (old.opened === undefined && !old.isWrong) await readDefinition(next.spec, next.binding);
  if (old.opened === undefined) return false;
  await next.verify();
  return true;
}

/** Nothing works that could be broken: the new one takes its chance, unless it is wrong as it is written. */
async function replaceUnopened(
  old: Component,
  next: Component,
  switchOutputs: () => void,
): Promise<void> {
  await old.input.stopReading(old.drainTimeout);
  next.input.continueFrom(old.input);
  old.succeededBy(next);
  switchOutputs();
  const closed = old.close();
  await next.start();
  await closed;
}
