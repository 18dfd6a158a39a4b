import type { Logger } from "./binding.ts";
import type { DriverVersions } from "./drivers.ts";
import type { MemoryShare } from "./memory/budget.ts";
import type { Fields, Values } from "./metadata/fields.ts";

/**
 * Declares a type of secret store: one file, one default export. Types, parsing, findings and the reference are computed
 * from it.
 */
export function defineSecretStore<const MetadataFields extends Fields>(
  definition: SecretStoreType<MetadataFields>,
): SecretStoreType<MetadataFields> {
  return definition;
}

export type SecretStoreType<MetadataFields extends Fields> = {
  /** The type without its `secretstores.` prefix, as in Dapr's YAML: `hashicorp.vault`. */
  readonly name: string;
  readonly status: "stable" | "beta" | "alpha";
  /** One sentence. */
  readonly summary: string;
  /** The systems that it was tested with, in words. */
  readonly provedBy?: readonly string[];
  /**
   * It is asked over a network: each secret is read once a load, `refreshInterval` is a field of it, and `cufflink check`
   * asks it only with `--remote-secrets`. Absent: it is read anew whenever a secret is needed.
   */
  readonly isRemote?: true;
  /** The same name is another secret in another namespace; reads are told that of the component. */
  readonly isNamespaced?: true;
  /** The npm packages that {@link StoreOpening.driver} loads, which users install themselves, with their exact versions. */
  readonly drivers?: DriverVersions;
  /** Whether a store with these settings loads that driver. Absent: each loads all of them. */
  needsDriver?(name: string, metadata: Values<MetadataFields>): boolean;

  readonly metadata: MetadataFields;

  /** Values for the example of a store, by field. Absent: the required fields alone. */
  readonly example?: Readonly<Record<string, string>>;

  /**
   * What is wrong with a store beside its fields, as far as that shows without connecting to anything: a sentence each,
   * which names the property first. A store with such a mistake is not opened.
   */
  check?(metadata: Values<MetadataFields>): readonly string[];

  /**
   * Makes it ready to read. It is called when the first secret is wanted, and again after it failed, with growing
   * pauses; a log-in may be made here or at the first read.
   */
  open(opening: StoreOpening<MetadataFields>): Promise<OpenedStore> | OpenedStore;
};

/** Any type of secret store, for lists of them. */
// oxlint-disable-next-line typescript/no-explicit-any -- the one place: parameters are contravariant
export type AnySecretStore = SecretStoreType<any>;

/** A type of secret store that is loaded, with all of its code, when a resource names it. */
export type SecretStoreModule = {
  readonly name: string;
  readonly load: () => Promise<{ readonly default: AnySecretStore }>;
};

export type StoreOpening<MetadataFields extends Fields> = {
  /** The parsed metadata; its own secrets are put in, from another store too. */
  readonly metadata: Values<MetadataFields>;
  /** The process's environment as this load sees it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** Aborted when opening takes too long, or is not wanted any more. */
  readonly signal: AbortSignal;
  /** Names a text that must not be shown, beside the values of sensitive fields: a token that was obtained, a signature. */
  readonly hide: (secret: string) => void;
  /** What answers are gathered in. */
  readonly memory: MemoryShare;
  /** Loads one of {@link SecretStoreType.drivers} and returns what it exports. Throws with the command to install it. */
  readonly driver: (name: string, path?: string) => unknown;
};

/** A store that can be read; reads may run side by side. Dispose ends log-ins, timers and connections. */
export type OpenedStore = AsyncDisposable & {
  /**
   * The values of one secret by key; `undefined`: there is no such secret. Throws a `BindingError` for what went wrong:
   * `unavailable` or `deadline_exceeded` where the store is away. It quotes no value and makes no attempt of its own
   * beside a renewed log-in.
   */
  read(name: string, context: ReadContext): Promise<ReadonlyMap<string, string> | undefined>;
};

export type ReadContext = {
  /** Of the component that names the secret; empty: it says none. */
  readonly namespace: string;
  readonly signal: AbortSignal;
};

/** The secret of a store whose secrets are one text each: its key is its name. */
export function singleValue(name: string, value: string): ReadonlyMap<string, string> {
  return new Map([[name, value]]);
}
