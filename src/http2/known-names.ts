import type { FieldKind } from "./header-field.ts";
import { kindOfName } from "./header-field.ts";
import { staticTable } from "./hpack-table.ts";

/** A name of headers, as one string for the whole process, so that comparing two of them compares pointers. */
export type KnownName = { readonly name: string; readonly kind: FieldKind };

/** So many names that others sent are kept, none longer than this. They cost some 100 KiB at most. */
const mostNames = 512;
const longestName = 64;

const own = [
  ...new Set(staticTable.map((field) => field.name)),
  ...(
    "te|trailer|connection|keep-alive|upgrade|grpc-timeout|grpc-encoding|grpc-accept-encoding|grpc-status|grpc-message|" +
    "grpc-status-details-bin|grpc-trace-bin|grpc-tags-bin|grpc-previous-rpc-attempts|traceparent|tracestate|baggage|dapr-app-id|" +
    "dapr-api-token"
  ).split("|"),
];

let names = ownNames();

function ownNames(): Map<string, KnownName> {
  return new Map(own.map((name) => [name, { name, kind: kindOfName(name) }]));
}

/** The one string that equals this name, and what fields of that name are. */
export function knownName(name: string): KnownName {
  const known = names.get(name);
  if (known !== undefined) return known;
  const kind = kindOfName(name);
  if (name.length > longestName) return { name, kind };
  // Full of names that hardly come again: those in use are learned anew.
  if (names.size >= own.length + mostNames) names = ownNames();
  const learned = { name: internalized(name), kind };
  names.set(learned.name, learned);
  return learned;
}

/** The same text as V8 keeps it for keys of objects: two such strings are equal only if their pointers are. */
function internalized(name: string): string {
  return Object.keys({ [name]: 0 })[0] as string;
}
