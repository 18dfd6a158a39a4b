import type { ComponentDocument } from "./component-document.ts";
import type { Finding } from "./tree.ts";

/** The value of the property that a message names first, else the type. */
export function rangeOfNamed(
  { items, typeRange }: ComponentDocument,
  message: string,
): Finding["range"] {
  const words = message.toLowerCase().match(/[\w:.-]*\w/g) ?? [];
  for (const word of words) {
    const item = items.findLast(({ name }) => name.toLowerCase() === word);
    if (item !== undefined) return item.value?.range ?? item.nameRange;
  }
  return typeRange;
}
