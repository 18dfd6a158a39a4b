import type { AnyBinding } from "../binding.ts";
import { afterPrefix } from "../metadata/fields.ts";
import type { Field, Fields } from "../metadata/fields.ts";
import { fieldsInAnyCase } from "../metadata/parse.ts";
import type { ComponentDocument } from "./component-document.ts";

/** Which properties' values may be shown: those of fields that are declared, and not as sensitive. */
export type Visibility = (type: string, property: string) => boolean;

/** `stateStores`: what types that begin with `state.` are found in. */
export function visibilityBy(
  bindings: readonly AnyBinding[],
  frameworkFields: Fields,
  stateStores: readonly AnyBinding[] = [],
): Visibility {
  return (type, property) => {
    const binding = findBinding(bindings, type) ?? findOf(stateStores, "state.", type);
    // Of what a type that is not known declares, nothing may be shown.
    const own = binding && findField(binding.metadata as Fields, property);
    const field = own ?? findField(frameworkFields, property);
    return field !== undefined && !field.sensitive;
  };
}

/** The binding behind a type such as `bindings.kafka`. The prefix counts as written, the rest in any case. */
export function findBinding(bindings: readonly AnyBinding[], type: string): AnyBinding | undefined {
  return findOf(bindings, "bindings.", type);
}

function findOf(
  declared: readonly AnyBinding[],
  prefix: string,
  type: string,
): AnyBinding | undefined {
  if (!type.startsWith(prefix)) return undefined;
  const name = type.slice(prefix.length).toLowerCase();
  return declared.find((one) =>
    [one.name, ...(one.aliases ?? [])].some((own) => own.toLowerCase() === name),
  );
}

/** Lets excerpts show the values that may be. One with a user's password in a URL stays hidden. */
export function revealValues(document: ComponentDocument, visible: Visibility): void {
  for (const { name, value, secretKeyRef } of document.items) {
    if (value === undefined || secretKeyRef !== undefined || !visible(document.type, name))
      continue;
    if (!/:\/\/[^/\s]*@/.test(value.text)) document.source.mark(value.range, true);
  }
}

/** The field behind a property, by its name, an alias or its prefix. */
export function findField(fields: Fields, property: string): Field | undefined {
  const { all, names } = fieldsInAnyCase(fields);
  return (
    names.get(property.toLowerCase()) ??
    all.find(({ field }) => afterPrefix(property, field) !== undefined)?.field
  );
}
