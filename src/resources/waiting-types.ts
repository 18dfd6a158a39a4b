import type { ComponentDocument } from "./component-document.ts";

/** By type, the properties of components that wait for their first use, where all of the type do. */
export function waitingTypes(
  documents: readonly ComponentDocument[],
): ReadonlyMap<string, readonly string[]> {
  const isLazy = ({ items }: ComponentDocument): boolean =>
    items.some(
      ({ name, value }) =>
        name.toLowerCase() === "readiness" && value?.text.trim().toLowerCase() === "lazy",
    );
  const types = Map.groupBy(documents, ({ type }) => type);
  const waiting = [...types].filter(([, ones]) => ones.every(isLazy));
  return new Map(
    waiting.map(([type, ones]) => [
      type,
      ones.flatMap(({ items }) => items.map(({ name }) => name)),
    ]),
  );
}
