import type { ComponentDocument } from "./component-document.ts";

/**
 * The secret stores whose own secrets cannot be had as they come from themselves in the end, with what is to be said of each. `usual`: the
 * store of those that name none.
 */
export function storeCircles(
  stores: ReadonlyMap<string, ComponentDocument>,
  usual?: string,
): ReadonlyMap<string, string> {
  const circles = new Map<string, string>();
  for (const name of stores.keys()) {
    const path = [name];
    let next = sourceOf(stores.get(name), usual);
    while (next !== undefined && !path.includes(next)) {
      path.push(next);
      next = sourceOf(stores.get(next), usual);
    }
    if (next === undefined) continue;
    const circle = [...path, next].map((one) => JSON.stringify(one)).join(" → ");
    const of = `the secret store ${JSON.stringify(name)} needs a secret of its own to be read`;
    circles.set(name, `${of} (${circle}); give one of them its secrets in another way`);
  }
  return circles;
}

/** The store that a store takes its own secrets from. */
function sourceOf(
  store: ComponentDocument | undefined,
  usual: string | undefined,
): string | undefined {
  const takes = store?.items.some(({ secretKeyRef }) => secretKeyRef !== undefined) ?? false;
  return takes ? (store?.secretStore?.text ?? usual) : undefined;
}
