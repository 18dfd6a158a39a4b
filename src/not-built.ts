import { BindingError } from "./errors.ts";
import type { Fields } from "./metadata/fields.ts";

/** Where it is told how a program beside the runtime serves a type. */
const road = "docs/pluggable-components.md";

/** A type that Dapr has, and that is known here without being built. */
export type NotBuilt<Metadata extends Fields, Request extends Fields> = {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Why it is not: a part of a sentence, as `no client for Node is kept`. */
  readonly why: string;
  /** Every field that Dapr documents, so that a component is told of nothing else. */
  readonly metadata: Metadata;
  readonly operation: {
    readonly name: string;
    readonly description: string;
    readonly request: Request;
  };
};

/**
 * The parts of a binding for a type that is not built. Its component is `failed`, with the reason and the way to a program that
 * serves the type; `check` finds the same. A pluggable component of the type takes its place.
 */
export function notBuilt<const Metadata extends Fields, const Request extends Fields>(
  type: NotBuilt<Metadata, Request>,
) {
  const { name, aliases, summary, metadata, operation } = type;
  const text = `bindings.${name} is known, and not built: ${type.why}; serve it by a pluggable component, whose sockets' folder DAPR_COMPONENTS_SOCKETS_FOLDER names (${road})`;
  const failure = (): BindingError =>
    new BindingError("invalid_argument", text, { effect: "unsent" });
  return {
    name,
    ...(aliases === undefined ? {} : { aliases }),
    status: "alpha",
    notBuilt: true,
    summary,
    metadata,
    check: (): Promise<readonly string[]> => Promise.resolve([text]),
    open: (): Promise<AsyncDisposable> => Promise.reject(failure()),
    operations: {
      [operation.name]: {
        description: operation.description,
        request: operation.request,
        invoke: (): Promise<void> => Promise.reject(failure()),
      },
    },
  } as const;
}
