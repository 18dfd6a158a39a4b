import { createHmac, randomBytes } from "node:crypto";
import { abortable } from "../abortable.ts";
import type { Logger } from "../binding.ts";
import { loadDriver, type DriversFolder } from "../drivers.ts";
import { BindingError } from "../errors.ts";
import { MemoryBudget } from "../memory/budget.ts";
import type { Fields, Values } from "../metadata/fields.ts";
import { parseFields } from "../metadata/parse.ts";
import { pauseAfter, type RetryPolicy } from "../policy/retry.ts";
import { redactedLogger } from "../redacted-logger.ts";
import type { AnySecretStore, OpenedStore } from "../secret-store.ts";
import { secretsOf, withoutSecrets } from "../secrets.ts";
import { remoteStoreFields } from "./store-types.ts";

/** Milliseconds that opening a store, or reading one secret, may take. */
export const usualLongestRead = 10_000;
/** How long a store that is away is left alone after the first failure, and at most; others who ask are told the same failure. */
const pauses: RetryPolicy = {
  ...{ attempts: Number.POSITIVE_INFINITY, initial: 100, max: 5000, multiplier: 2, jitter: 0.1 },
};
/** Of what answers are gathered in, in bytes: no secret is so large. */
const mostMemory = 16 * 1024 * 1024;

export type SecretValues = ReadonlyMap<string, string>;

/** A store's properties as texts, and which of them are never quoted. */
export type StoreProperties = {
  readonly values: Readonly<Record<string, string>>;
  readonly unquoted: ReadonlySet<string>;
  /** Those that came from another store. */
  readonly secret: ReadonlySet<string>;
};

export type StoreSurroundings = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly driversFolder: DriversFolder;
  readonly logger: Logger;
  readonly longestRead: number;
};

/** One store as it is defined, opened when it is first read, and open from then on. */
export class OpenStore implements AsyncDisposable {
  readonly name: string;
  readonly type: AnySecretStore;
  /** The same for two definitions that are alike. */
  readonly fingerprint: string;
  /** Milliseconds between two readings of its secrets; 0: they are read once a load. */
  readonly refreshInterval: number;
  readonly #metadata: Values<Fields>;
  readonly #surroundings: StoreSurroundings;
  readonly #logger: Logger;
  readonly #hide: (secret: string) => void;
  readonly #redact: (text: string) => string;
  readonly #closing = new AbortController();
  #opened: Promise<OpenedStore> | undefined;
  #failures = 0;
  #failure: BindingError | undefined;
  #pausedUntil = 0;
  #reading = 0;
  /** It is no part of the resources any more, and keeps nothing open. */
  #isRetired = false;

  /** Throws a `BindingError` for what is wrong as it is written. */
  constructor(
    name: string,
    type: AnySecretStore,
    properties: StoreProperties,
    surroundings: StoreSurroundings,
  ) {
    const fields: Fields = type.metadata as Fields;
    const { values, unquoted } = properties;
    const own = parseFields(fields, values, { unquoted, unknown: false });
    const shared = parseFields(remoteStoreFields, values, { unquoted, unknown: false });
    const problems = [...own.problems, ...(type.isRemote ? shared.problems : [])];
    const wrong = problems.find(({ severity }) => severity === "error");
    if (wrong !== undefined)
      throw new BindingError("invalid_argument", `its metadata ${wrong.property} ${wrong.message}`);
    const secrets = Object.entries(values).flatMap(([property, value]) =>
      properties.secret.has(property) || isSensitive(fields, property) ? [value] : [],
    );
    const { hide, redact } = secretsOf(secrets);
    const [mistake] = type.check?.(own.values) ?? [];
    if (mistake !== undefined) throw new BindingError("invalid_argument", redact(mistake));
    this.name = name;
    this.type = type;
    this.fingerprint = fingerprintOf(type.name, values);
    this.refreshInterval = type.isRemote ? shared.values.refreshInterval : 0;
    this.#metadata = own.values;
    this.#surroundings = surroundings;
    this.#hide = hide;
    this.#redact = redact;
    this.#logger = redactedLogger(surroundings.logger, redact);
  }

  /**
   * The values of one secret; `undefined`: it is not there. Rejects with a `BindingError` without secrets. While the
   * store is away it is asked again only after a pause, and those who come earlier are told why it failed.
   */
  async read(name: string, namespace: string): Promise<SecretValues | undefined> {
    if (this.#failure !== undefined && performance.now() < this.#pausedUntil) throw this.#failure;
    this.#reading++;
    try {
      const values = await this.#within(async (signal) => {
        const store = await this.#open();
        return store.read(name, { namespace, signal });
      });
      this.#recovered();
      return values;
    } catch (thrown) {
      throw this.#failed(thrown);
    } finally {
      this.#reading--;
      if (this.#isRetired) await this.#close();
    }
  }

  /** Nothing is kept open from now on; a read that comes all the same opens it for itself. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new BindingError("cancelled", "it is closed", { effect: "unsent" }));
    this.#reading = 0;
    await this.retire();
  }

  async #within<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const { longestRead } = this.#surroundings;
    const closing = this.#closing.signal;
    const signal = AbortSignal.any([closing, AbortSignal.timeout(longestRead)]);
    return abortable(work(signal), signal, () =>
      closing.aborted ? closing.reason : noAnswer(longestRead),
    );
  }

  /** Opened once for all who read; one that fails is opened anew by the next. */
  #open(): Promise<OpenedStore> {
    if (this.#opened !== undefined) return this.#opened;
    const { env, driversFolder } = this.#surroundings;
    const { drivers = {} } = this.type;
    let opening: Promise<OpenedStore> | undefined;
    const opened = this.#within((signal) => {
      opening = (async () =>
        this.type.open({
          ...{ metadata: this.#metadata, env, signal, logger: this.#logger, hide: this.#hide },
          memory: new MemoryBudget(mostMemory).share("secrets", mostMemory),
          driver: (name, path) => loadDriver(name, drivers[name] ?? "", driversFolder, path),
        }))();
      return opening;
    });
    this.#opened = opened;
    opened.catch((thrown: unknown) => {
      if (this.#opened === opened) this.#opened = undefined;
      void opening?.then((late) => late[Symbol.asyncDispose]()).catch(() => undefined);
      this.#rest(this.#shown(thrown));
    });
    return opened;
  }

  async #close(): Promise<void> {
    if (this.#reading > 0) return;
    const opened = this.#opened;
    this.#opened = undefined;
    try {
      await (await opened)?.[Symbol.asyncDispose]();
    } catch {
      // Nothing is open where opening failed, and nobody waits for the end of a connection.
    }
  }

  #failed(thrown: unknown): BindingError {
    const failure = this.#shown(thrown);
    if (isAway(failure)) this.#rest(failure);
    return failure;
  }

  #rest(failure: BindingError): void {
    // Several who failed together are one failure.
    if (this.#failure !== undefined && performance.now() < this.#pausedUntil) return;
    this.#failure = failure;
    this.#failures++;
    this.#pausedUntil = performance.now() + pauseAfter(pauses, this.#failures);
  }

  #recovered(): void {
    this.#failures = 0;
    this.#failure = undefined;
  }

  #shown(thrown: unknown): BindingError {
    return withoutSecrets(BindingError.from(thrown, "unavailable", "unsent"), this.#redact);
  }
}

/** Whether the store could not be asked, as opposed to one that said no. */
export function isAway({ reason }: BindingError): boolean {
  const away: readonly string[] = ["unavailable", "deadline_exceeded", "resource_exhausted"];
  return away.includes(reason) || reason === "internal" || reason === "cancelled";
}

function noAnswer(longestRead: number): BindingError {
  const text = `no answer within ${longestRead / 1000} s`;
  return new BindingError("deadline_exceeded", text, { effect: "ambiguous" });
}

function isSensitive(fields: Fields, property: string): boolean {
  const folded = property.toLowerCase();
  const found = Object.entries(fields).find(([name, { aliases }]) =>
    [name, ...aliases].some((one) => one.toLowerCase() === folded),
  );
  return found === undefined || found[1].sensitive;
}

/** Of this process alone, so that a digest tells nobody a secret. */
const digestKey = randomBytes(32);

function fingerprintOf(type: string, values: Readonly<Record<string, string>>): string {
  const facts = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHmac("sha256", digestKey)
    .update(JSON.stringify([type, facts]))
    .digest("base64");
}
