import type { AnyBinding, HttpEndpoints, Logger, Notice } from "../../binding.ts";
import { formatOrigin, type ComponentSpec } from "../../component.ts";
import { loadDriver, type DriversFolder } from "../../drivers.ts";
import { whyNoPrograms } from "../../allow-exec.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { parseFields } from "../../metadata/parse.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { componentFields, parseDirections, type ComponentSettings } from "./component-fields.ts";
import { redactedLogger } from "../../redacted-logger.ts";
import { secretsOf, withoutSecrets, type Redact, type Secrets } from "../../secrets.ts";
import { abortable } from "../../abortable.ts";

/** What an opened component needs to be invoked. */
export type Opened = {
  readonly connection: AsyncDisposable;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly settings: ComponentSettings;
  /** What it can be asked to do. */
  readonly operations: readonly string[];
} & Secrets;

type Directions = { readonly input: boolean; readonly output: boolean };

export type OpenOptions = {
  readonly appId: string;
  readonly spec: ComponentSpec;
  readonly binding: AnyBinding;
  readonly http: HttpEndpoints;
  readonly memory: MemoryShare;
  readonly driversFolder: DriversFolder;
  readonly allowExec: boolean;
  /** See {@link Opening.examines}. */
  readonly examines?: true;
  readonly logger: Logger;
  /** Aborted when it has taken too long or is not wanted any more. */
  readonly signal: AbortSignal;
  readonly lost: (reason: unknown) => void;
  readonly notice: Notice;
  /** Runs the binding's `open`, so that what fails later on its behalf is known as the component's. */
  readonly run: (open: () => Promise<AsyncDisposable>) => Promise<AsyncDisposable>;
  /** Told how to hide the secrets before the binding's `open` runs. */
  readonly onRedact: (redact: Redact) => void;
  /** Told once the secrets in the metadata were read. */
  readonly onSecrets: () => void;
  /** Told the directions as soon as the metadata is known, whether it can be opened or not. */
  readonly onDirections: (directions: Directions) => void;
};

/** What a component's metadata says, as it is now. */
export type Definition = {
  readonly metadata: Record<string, unknown>;
  readonly settings: ComponentSettings;
  readonly directions: Directions;
} & Secrets;

export type OpenedComponent = Opened & AsyncDisposable & { readonly settings: ComponentSettings };

/**
 * Resolves and parses a component's metadata. Throws a `BindingError` that quotes no secret: `invalid_argument`
 * where it is wrong as it is written.
 */
export async function readDefinition(
  spec: ComponentSpec,
  binding: AnyBinding,
  onDirections: (directions: Directions) => void = () => undefined,
): Promise<Definition> {
  const { values, secrets } = await spec.resolve();
  const { redact, hide } = secretsOf(secrets);
  const declared = parseDirections(findText(values, "direction"));
  const directions = {
    input: binding.read !== undefined && (declared?.input ?? binding.inputIsOptional !== true),
    output: binding.operations !== undefined && (declared?.output ?? true),
  };
  onDirections(directions);
  // A quoted text is cut and escaped, so that redacting afterwards would miss a secret in it.
  const unquoted = new Set(
    Object.keys(values).filter((name) => secrets.some((one) => values[name]?.includes(one))),
  );
  const parsing = { direction: directions, unknown: false, unquoted };
  const settings = parseFields(componentFields, values, parsing);
  const parsed = parseFields(binding.metadata, values, parsing);
  const errors = [...settings.problems, ...parsed.problems].filter(
    ({ severity }) => severity === "error",
  );
  if (errors.length > 0) {
    const text = errors.map(
      ({ property, message }) => `metadata ${property} ${message}${whereIs(spec, property)}`,
    );
    throw new BindingError("invalid_argument", redact(text.join("; ")));
  }
  return { metadata: parsed.values, settings: settings.values, directions, redact, hide };
}

/** Reads a component's metadata and opens its connection. Throws a `BindingError` that quotes no secret. */
export async function openComponent(options: OpenOptions): Promise<OpenedComponent> {
  const { spec, binding, logger } = options;
  const definition = await readDefinition(spec, binding, options.onDirections);
  options.onSecrets();
  const { metadata, settings, redact, hide } = definition;
  options.onRedact(redact);
  if (binding.runsPrograms === true && !options.allowExec)
    throw new BindingError("invalid_argument", whyNoPrograms(spec.type), { effect: "unsent" });
  const connection = await connect(options, definition);
  const offers = binding.offers?.(connection);
  if (offers !== undefined) {
    const { input, output } = definition.directions;
    options.onDirections({ input: input && offers.input, output: output && offers.output });
  }
  const operations = offers?.operations ?? Object.keys(binding.operations ?? {});
  return {
    ...{ connection, metadata, settings, operations, redact, hide },
    async [Symbol.asyncDispose]() {
      try {
        await connection[Symbol.asyncDispose]();
      } catch (error) {
        logger.debug({ reason: redact(messageOf(error)) }, "closing the connection failed");
      }
    },
  };
}

const noConnection =
  "no connection in time: the system does not answer, or too slowly; spec.initTimeout allows more time";

/** Opens; when the time is over, one that opens after all is closed again. */
async function connect(
  {
    appId,
    spec,
    binding,
    http,
    memory,
    driversFolder,
    examines,
    logger,
    signal,
    lost,
    notice,
    run,
  }: OpenOptions,
  { metadata, directions, redact, hide }: Definition,
): Promise<AsyncDisposable> {
  const component = { name: spec.name, appId };
  const opening = run(async () =>
    binding.open({
      ...{
        component,
        metadata,
        directions,
        signal,
        http,
        memory,
        hide,
        ...(examines && { examines }),
      },
      driver: (name, path) => loadDriver(name, binding.drivers?.[name] ?? "", driversFolder, path),
      logger: redactedLogger(logger, redact),
      lost: (reason) => lost(shown(reason, redact)),
      notice: (text) => notice(redact(text)),
    }),
  );
  try {
    return await abortable(
      opening,
      signal,
      () => new BindingError("unavailable", noConnection, { effect: "unsent" }),
    );
  } catch (error) {
    opening.then((connection) => connection[Symbol.asyncDispose]()).catch(() => undefined);
    throw shown(error, redact);
  }
}

/** Anything thrown as a `BindingError` whose text has no secret in it. */
export function shown(error: unknown, redact: Redact): BindingError {
  return withoutSecrets(BindingError.from(error, "unavailable", "unsent"), redact);
}

function findText(values: Readonly<Record<string, string>>, name: string): string | undefined {
  const key = Object.keys(values).find((one) => one.toLowerCase() === name);
  return key === undefined ? undefined : values[key];
}

function whereIs(spec: ComponentSpec, property: string): string {
  const found = spec.properties.find(({ name }) => name.toLowerCase() === property.toLowerCase());
  const where = formatOrigin(found?.origin ?? spec.origin);
  return where === "" ? "" : ` (${where})`;
}
