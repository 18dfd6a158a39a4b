import type { DriverVersions } from "../drivers.ts";
import type { Fields } from "../metadata/fields.ts";
import { parseFields } from "../metadata/parse.ts";
import type { ComponentDocument } from "./component-document.ts";
import type { Finding } from "./tree.ts";
import { rangeOfNamed } from "./named-range.ts";
import { givenAll, propertyFindings, type Properties } from "./property-findings.ts";
import { remoteStoreFields, type StoreTypes } from "./store-types.ts";
import { findField, type Visibility } from "./visibility.ts";

/** What is wrong with a secret store's definition, each at its place. */
export function storeFindings(
  store: ComponentDocument,
  properties: Properties,
  types: StoreTypes,
): Finding[] {
  const type = types.find(store.type);
  if (type === undefined) return [];
  const own = type.metadata as Fields;
  const fields: Fields = type.isRemote ? { ...own, ...remoteStoreFields } : own;
  const findings = propertyFindings(store, fields, properties, {});
  const isWrong = findings.some(({ severity }) => severity === "error");
  if (isWrong || properties.missing.size > 0) return findings;
  const mistakes = type.check?.(parseFields(own, properties.values).values) ?? [];
  return [
    ...findings,
    ...mistakes.map((message): Finding => {
      const range = rangeOfNamed(store, message);
      return { severity: "error", range, message, suggestion: undefined };
    }),
  ];
}

/** The drivers that a secret store will load, as far as its settings are known. */
export function storeDrivers(
  { type: name }: ComponentDocument,
  { values, missing }: Properties,
  types: StoreTypes,
): DriverVersions {
  const type = types.find(name);
  if (type?.drivers === undefined) return {};
  const metadata = parseFields(type.metadata as Fields, givenAll(values, missing)).values;
  const needed = Object.entries(type.drivers).filter(
    ([driver]) => type.needsDriver?.(driver, metadata) ?? true,
  );
  return Object.fromEntries(needed);
}

/** Which values of secret stores' own properties may be shown. */
export function visibleIn(types: StoreTypes): Visibility {
  return (type, property) => {
    const found = types.find(type);
    if (found === undefined) return false;
    const fields: Fields = { ...(found.metadata as Fields), ...remoteStoreFields };
    const field = findField(fields, property);
    return field !== undefined && !field.sensitive;
  };
}
