import type { AnyBinding } from "../binding.ts";
import { formatOrigin, type ComponentSpec } from "../component.ts";
import type { DriverVersions } from "../drivers.ts";
import type { Fields } from "../metadata/fields.ts";
import type { Resiliency } from "../policy/resiliency.ts";
import { readComponent, type ComponentDocument } from "./component-document.ts";
import { componentSpec } from "./component-spec.ts";
import { parseDocuments } from "./document.ts";
import { deniedVariable } from "../denied-variable.ts";
import type { Environment } from "./environment.ts";
import { readSources } from "./files.ts";
import { resourceTree } from "./kind.ts";
import { isMeantFor } from "./meant-for.ts";
import { ResourceMemory } from "./memory.ts";
import type { ResourceProblem } from "./problem.ts";
import { readResiliency, type ResiliencyDocument } from "./resiliency-document.ts";
import { mergeResiliency } from "./resiliency.ts";
import { resolveProperties, type Properties } from "./property-findings.ts";
import { Resolver, Unread, type SecretStandIn } from "./resolve.ts";
import { SecretStores } from "./secret-stores.ts";
import { storeDrivers, storeFindings, visibleIn } from "./store-findings.ts";
import { Source } from "./source.ts";
import type { Finding } from "./tree.ts";
import { roleOf, typeFinding } from "./component-type.ts";
import { revealValues, visibilityBy } from "./visibility.ts";
import { waitingTypes } from "./waiting-types.ts";

export type ResourceOptions = {
  /** Folders, or files, in order. */
  readonly paths: readonly string[];
  /** YAML that is in no file, after the files; `file` is what messages call it. */
  readonly texts?: readonly { readonly file: string; readonly text: string }[];
  /** Resources that stand in no file, after the texts. */
  readonly objects?: readonly Source[];
  /** For `scopes` and templates. Absent: components of every scope. */
  readonly appId?: string | undefined;
  /** Default: the environment's `NAMESPACE`. Empty: components of every namespace. */
  readonly namespace?: string | undefined;
  /** Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What declares which properties are secret. Without it every value counts as secret. */
  readonly bindings?: readonly AnyBinding[];
  /**
   * Called with the types of the components before `bindings` are looked at: those that are needed are added then. `waiting`:
   * of the types whose components all have `readiness: lazy`, the properties that these have.
   */
  readonly needBindings?: (
    types: readonly string[],
    waiting: ReadonlyMap<string, readonly string[]>,
  ) => Promise<void>;
  /** The same for state stores. */
  readonly stateStores?: readonly AnyBinding[];
  /** Fields that every component has, whatever its binding. */
  readonly frameworkFields?: Fields;
  /** Report secrets that are not there now. Default true. */
  readonly checkSecrets?: boolean;
  /**
   * The secret stores of the loads before this one, for a reload. Default: new ones of all types; nothing is kept of them.
   */
  readonly secretStores?: SecretStores;
  /**
   * `begin`: all secrets of remote stores are asked for at once, and components wait for theirs by themselves. `read`: the
   * load waits for them, and reports what is missing. `skip`: no remote store is asked, and nothing is said of its
   * secrets. Default `begin`.
   */
  readonly remoteSecrets?: "begin" | "read" | "skip";
  /** What takes the place of secrets that cannot be read. Default: nothing does, and they are missing. */
  readonly standIn?: SecretStandIn | undefined;
  /**
   * A secret store that is there where the resources define none of its name, and whose secrets are meant by components that
   * name no store.
   */
  readonly builtInStore?: Source | undefined;
  /** The same at each reload: a file that cannot be read or parsed then counts as it was before. */
  readonly memory?: ResourceMemory;
  /** Whether components of a type and version are left out. Default: none are. */
  readonly isDenied?: (type: string, version: string) => boolean;
};

export type Resources = {
  /** In the order of the files. One with errors is among them and cannot be resolved. */
  readonly components: readonly ComponentSpec[];
  /** What the Resiliency resources say together, without what is wrong in them. `undefined`: there are none. */
  readonly resiliency: Resiliency | undefined;
  /** Something is wrong in a Resiliency, so that it does not say all that it should. */
  readonly resiliencyIsWrong: boolean;
  /** All there are, in the order of the files. */
  readonly problems: readonly ResourceProblem[];
  /** Some file could not be read or parsed, and counts as it was before. */
  readonly refused: boolean;
  /** The files and folders that secrets come from. */
  readonly secretFiles: readonly string[];
  /** The drivers that the secret stores need. */
  readonly storeDrivers: DriverVersions;
};

/**
 * Reads components and Resiliency as daprd does, except that nothing in it stops anything else, and that every
 * mistake is told with its place. Never rejects. Values are checked by {@link lint}.
 */
export async function loadResources(options: ResourceOptions): Promise<Resources> {
  const variables = options.env ?? process.env;
  const namespace = options.namespace ?? variables["NAMESPACE"] ?? "";
  const environment: Environment = { appId: options.appId ?? "", namespace, variables };
  const { memory = new ResourceMemory() } = options;
  const { sources, problems, unreadable } = await readSources(options.paths);
  sources.push(...(options.texts ?? []).map(({ file, text }) => new Source(file, text)));
  sources.push(...(options.objects ?? []));
  const read = (source: Source): Promise<SourceContent> =>
    readSource(source, options.appId, namespace);
  const asTheyAre = await Promise.all(sources.map(read));
  problems.push(...asTheyAre.flatMap(({ broken }) => broken));
  const loose: Located[] = asTheyAre.flatMap(({ findings, source }) =>
    findings.map((finding) => ({ source, finding })),
  );
  const kept = keepLastGood(asTheyAre, unreadable, memory);
  const known = new Map(asTheyAre.map((content) => [content.source, content]));
  const all = await Promise.all(
    kept.sources.map(async (source) => known.get(source) ?? (await read(source))),
  );
  const documents = allowed(
    firstOfEachName(
      all.flatMap((one) => one.documents),
      loose,
      memory,
    ),
    options.isDenied,
    loose,
  );
  const stores = new Map(
    documents
      .filter(({ type }) => roleOf(type) === "secret store")
      .map((store) => [store.name, store]),
  );
  const builtIn = options.builtInStore && (await read(options.builtInStore)).named[0];
  if (builtIn !== undefined && !stores.has(builtIn.name)) stores.set(builtIn.name, builtIn);
  const used = documents.filter(({ type }) =>
    ["binding", "state store", "unknown"].includes(roleOf(type)),
  );
  await options.needBindings?.([...new Set(used.map(({ type }) => type))], waitingTypes(used));
  const leftOut = documents.filter(({ type }) => roleOf(type) === "left out");
  if (leftOut[0] !== undefined)
    loose.push({ source: leftOut[0].source, finding: leftOutFinding(leftOut) });

  const secretStores = options.secretStores ?? new SecretStores();
  await secretStores.types.load([...stores.values()].map(({ type }) => type));
  const resolver = new Resolver({
    ...{ environment, documents: stores, stores: secretStores, uuids: memory.uuids },
    ...{ standIn: options.standIn, usualStore: builtIn?.name },
  });
  secretStores.keep(new Set(stores.keys()), resolver.reads.all);
  const { checkSecrets = true, remoteSecrets = "begin" } = options;
  // All at the same time; a component waits for its own, and tells what is wrong.
  if (remoteSecrets === "begin") for (const one of used) void resolver.readRemote(one);
  const how = remoteSecrets === "read" ? "read" : "known";
  const visible = visibilityBy(
    options.bindings ?? [],
    options.frameworkFields ?? {},
    options.stateStores,
  );
  const resolving = [...stores.values(), ...used].map(
    async (one) => [one, await resolveProperties(one, resolver, { remote: how })] as const,
  );
  const resolved = new Map<ComponentDocument, Properties>(await Promise.all(resolving));
  for (const [document, properties] of resolved) {
    revealValues(document, isStore(document) ? visibleIn(secretStores.types) : visible);
    const found = [...environmentFindings(document, environment)];
    if (checkSecrets) found.push(...missingFindings(properties, how));
    if (isStore(document)) found.push(...storeFindings(document, properties, secretStores.types));
    loose.push(...found.map((finding) => ({ source: document.source, finding })));
    const wrongType = typeFinding(document, options.bindings ?? [], secretStores.types);
    // A document's own findings keep it from running; a secret that is missing now may come.
    if (wrongType !== undefined) document.findings.push(wrongType);
  }
  const resiliencies = all.flatMap((one) => one.resiliencies);
  const named = new Map(all.flatMap((one) => one.named).map((one) => [one.name, one]));
  const resiliency = mergeResiliency(resiliencies, named, options.bindings ?? []);
  loose.push(
    ...[...documents, ...resiliencies].flatMap(({ source, findings }) =>
      findings.map((finding) => ({ source, finding })),
    ),
  );
  problems.push(...loose.map(toProblem));
  const order = new Map(sources.map(({ file }, index) => [file, index]));
  problems.sort(
    (a, b) => place(order, a) - place(order, b) || a.line - b.line || a.column - b.column,
  );
  return {
    components: used.flatMap((document) => {
      const properties = resolved.get(document);
      return properties ? [componentSpec(document, resolver, visible, properties)] : [];
    }),
    resiliency,
    resiliencyIsWrong: resiliencies.some(({ findings }) =>
      findings.some(({ severity }) => severity === "error"),
    ),
    problems,
    refused: kept.refused,
    storeDrivers: Object.assign(
      {},
      ...[...stores.values()].map((store) => {
        const properties = resolved.get(store);
        return properties && storeDrivers(store, properties, secretStores.types);
      }),
    ) as DriverVersions,
    secretFiles: [...stores.values()].flatMap((store) => {
      const file = resolved.get(store)?.values["secretsFile"];
      return file ? [file] : [];
    }),
  };
}

/** The files as they are; for each that cannot be read or parsed, as it last could be. */
function keepLastGood(
  contents: readonly SourceContent[],
  unreadable: readonly string[],
  memory: ResourceMemory,
): { sources: Source[]; refused: boolean } {
  let refused = false;
  const sources = contents.map((content) => {
    const { source } = content;
    const last = isWhole(content, memory) ? undefined : memory.lastGood(source.file);
    refused ||= last !== undefined;
    return last ?? source;
  });
  const old = unreadable.flatMap((path) => memory.lastGoodAt(path));
  refused ||= old.length > 0;
  sources.push(...old);
  for (const source of sources) memory.keep(source);
  return { sources, refused };
}

/** Whether all of the file could be understood, as far as it tells which components there are. */
function isWhole(
  { source, broken, findings, documents }: SourceContent,
  memory: ResourceMemory,
): boolean {
  if (broken.length > 0 || findings.some(({ severity }) => severity === "error")) return false;
  // Half of a document may be one that is passed over with a warning.
  return findings.length === 0 || documents.length > 0 || !memory.isHome(source.file);
}

function allowed(
  documents: readonly ComponentDocument[],
  isDenied: ResourceOptions["isDenied"],
  loose: Located[],
): ComponentDocument[] {
  return documents.filter(({ type, version, typeRange, source }) => {
    if (isDenied?.(type, version) !== true) return true;
    const message = `components of type ${type}/${version} are denied by the configuration; this one is left out`;
    loose.push({ source, finding: { severity: "error", range: typeRange, message } });
    return false;
  });
}

/** A finding with the file it is about. */
type Located = { readonly source: Source; readonly finding: Finding };

function toProblem({ source, finding }: Located): ResourceProblem {
  return source.problem(finding.severity, finding.range, finding.message, finding.suggestion);
}

/** Problems of folders, which are no source, come first. */
function place(order: ReadonlyMap<string, number>, problem: ResourceProblem): number {
  return order.get(problem.file) ?? -1;
}

type SourceContent = {
  readonly source: Source;
  readonly documents: ComponentDocument[];
  /** The components of all scopes. */
  readonly named: ComponentDocument[];
  readonly resiliencies: ResiliencyDocument[];
  /** Those of documents that are neither. */
  readonly findings: Finding[];
  readonly broken: ResourceProblem[];
};

async function readSource(
  source: Source,
  appId: string | undefined,
  namespace: string,
): Promise<SourceContent> {
  const content: SourceContent = {
    source,
    ...{ documents: [], named: [], resiliencies: [], findings: [], broken: [] },
  };
  for (const parsed of await parseDocuments(source)) {
    if ("broken" in parsed) {
      content.broken.push(parsed.broken);
      continue;
    }
    const resource = resourceTree(parsed.tree, source, content.findings);
    if (resource === undefined) continue;
    const findings: Finding[] = [...parsed.problems];
    if (resource.kind === "Resiliency") {
      const resiliency = await readResiliency(resource.tree, source, findings);
      if (isMeantFor(resiliency, appId, namespace)) content.resiliencies.push(resiliency);
      continue;
    }
    const document = readComponent(resource.tree, source, findings);
    if (document === undefined) content.findings.push(...findings);
    else {
      content.named.push(document);
      if (isMeantFor(document, appId, namespace)) content.documents.push(document);
    }
  }
  return content;
}

function firstOfEachName(
  documents: readonly ComponentDocument[],
  loose: Located[],
  memory: ResourceMemory,
): ComponentDocument[] {
  const first = new Map<string, ComponentDocument>();
  // What is loaded stays, so that a file which is copied and then deleted changes nothing.
  for (const document of documents) {
    const { file } = document.source;
    if (memory.homeOf(document.name) === file && !first.has(document.name))
      first.set(document.name, document);
  }
  for (const document of documents) {
    const before = first.get(document.name);
    if (before === document) continue;
    if (before === undefined) {
      first.set(document.name, document);
      continue;
    }
    const where = formatOrigin(before.source.origin(before.nameRange[0]));
    const message = `component ${JSON.stringify(document.name)} is already defined at ${where}; this one is left out, rename it`;
    loose.push({
      source: document.source,
      finding: { severity: "error", range: document.nameRange, message },
    });
    loose.push(...document.findings.map((finding) => ({ source: document.source, finding })));
  }
  memory.turnOver(new Map([...first].map(([name, { source }]) => [name, source.file])));
  return documents.filter((document) => first.get(document.name) === document);
}

function leftOutFinding(documents: readonly ComponentDocument[]): Finding {
  const names = documents.map(({ name, type }) => `${name} (${type})`).join(", ");
  const message = `components that are no bindings are left out: ${names}`;
  return { severity: "warning", range: documents[0]?.typeRange ?? [0, 0], message };
}

function missingFindings({ missing }: Properties, remote: "read" | "known"): Finding[] {
  const told = [...missing.values()].filter((one) => remote === "read" || !(one instanceof Unread));
  return told.map(({ range, message, suggestion }) => ({
    severity: "error",
    range,
    message,
    suggestion,
  }));
}

function environmentFindings({ items }: ComponentDocument, environment: Environment): Finding[] {
  return items.flatMap(({ name, envRef, value }): Finding[] => {
    if (envRef === undefined) return [];
    const variable = JSON.stringify(envRef.text);
    const of = `property ${JSON.stringify(name)}`;
    const warn = (message: string): Finding[] => [
      { severity: "warning", range: envRef.range, message },
    ];
    if (value !== undefined && value.text !== "")
      return warn(`${of} has a value, so its envRef is ignored`);
    const denied = deniedVariable(envRef.text, environment.variables);
    if (denied !== undefined) return warn(`${of} is empty: ${variable} ${denied}`);
    if (environment.variables[envRef.text] !== undefined) return [];
    return warn(`${of} is empty: the environment variable ${variable} is not set`);
  });
}

function isStore({ type }: ComponentDocument): boolean {
  return roleOf(type) === "secret store";
}
