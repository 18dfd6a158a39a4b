import type { OracleEvent } from "./oracle.ts";

/** The component whose ticks the app refuses each time. */
export const poisonComponent = "poison";

/** A tick has no payload: it is known by its component and the second in which it was due. */
export function tickEvent(component: string, due: number): OracleEvent {
  const second = Math.floor(due / 1000);
  return { key: component, sequence: second, uuid: `${component}-${second}` };
}
