/** Where something was written, for messages: `components/redis.yaml:12:7`. */
export type Origin = { readonly file: string; readonly line: number; readonly column: number };

/** A component as the resources hand it to the runtime. */
export type ComponentSpec = {
  readonly name: string;
  /** As written: `bindings.kafka`. */
  readonly type: string;
  /** `v1`. */
  readonly version: string;
  /** Milliseconds the first opening may take before the component counts as tried. Default 5000. */
  readonly initTimeout: number;
  readonly origin: Origin | undefined;
  /**
   * A digest of what it says, the values that it has now included, and not of where it stands: the same for two
   * that would run alike. Absent: only the same object is the same component.
   */
  readonly fingerprint?: string;
  /** The remote secret stores that its values come from, if any, by name. */
  readonly remoteSecretStores?: readonly string[];
  /**
   * Waits until the secrets of remote stores were read, or cannot be now: {@link ComponentSpec.fingerprint} is the one of
   * what they are only then. Absent: there are none. Never rejects.
   */
  readonly prepare?: () => Promise<void>;
  /** The properties' names and where they are, without their values, for messages. */
  readonly properties: readonly { readonly name: string; readonly origin: Origin | undefined }[];
  /**
   * The values, with secrets, environment and templates put in. Called before each opening, since a
   * secret may come late. Throws a `BindingError` that names what is missing and where. With `only`, in lower
   * case, the other properties are left out, and what is wrong with them does not matter.
   */
  resolve(only?: readonly string[]): Promise<ResolvedProperties>;
};

export type ResolvedProperties = {
  readonly values: Readonly<Record<string, string>>;
  /** Texts that must never be shown: they are replaced in every message of this component. */
  readonly secrets: readonly string[];
};

/** `file:line:column`, the file alone where there are no lines, or nothing where the component was made in code. */
export function formatOrigin(origin: Origin | undefined): string {
  if (origin === undefined) return "";
  return origin.line === 0 ? origin.file : `${origin.file}:${origin.line}:${origin.column}`;
}
