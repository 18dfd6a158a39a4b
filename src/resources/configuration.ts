import type { ComponentSpec } from "../component.ts";
import { parseDocuments } from "./document.ts";
import { textOf, type Finding, type Tree } from "./tree.ts";
import { readSources } from "./files.ts";
import { isNull, Mapping } from "./mapping.ts";
import type { ResourceProblem } from "./problem.ts";
import type { Source } from "./source.ts";
import { readBool, readTracing, type TracingConfiguration } from "./tracing-configuration.ts";

/** What Dapr's Configuration resources say that concerns bindings. */
export type Configuration = {
  /** Whether changed resources are loaded by themselves: the feature `HotReload`. Default true. */
  readonly hotReload: boolean;
  /** Whether metrics are served; `undefined`: nothing is said. */
  readonly metrics: boolean | undefined;
  /** `undefined`: nothing is said. */
  readonly tracing: TracingConfiguration | undefined;
  /** Whether components of a type and version may not be used. */
  readonly isDenied: (type: string, version: string) => boolean;
  /** Whether all guests of `wasm` are strict, whatever their component says. */
  readonly strictWasm: boolean;
};

export type ConfigurationRead = {
  readonly configuration: Configuration;
  readonly problems: readonly ResourceProblem[];
  /** A file could not be read or understood: what it says is not known. */
  readonly broken: boolean;
};

/** Dapr's names of what concerns other building blocks, or is not there yet. */
export const elsewhere = [
  ...["httpPipeline", "appHttpPipeline", "mtls", "secrets", "accessControl"],
  ...["nameResolution", "api", "logging", "workflow"],
] as const;
const known = ["features", "components", "metric", "metrics", "tracing", "wasm"] as const;

/**
 * Reads resources of kind Configuration from files, as `--config` names them; of two that say the same thing the
 * later counts. Never rejects. Other kinds are passed over. `objects`: those that stand in no file, after them.
 */
export async function readConfiguration(
  paths: readonly string[],
  objects: readonly Source[] = [],
): Promise<ConfigurationRead> {
  const { sources, problems } = await readSources(paths);
  sources.push(...objects);
  let broken = problems.some(({ severity }) => severity === "error");
  const said: Said = {
    ...{ hotReload: true, metrics: undefined, tracing: undefined, strictWasm: false },
    denied: new Set(),
  };
  for (const source of sources) {
    const findings: Finding[] = [];
    for (const parsed of await parseDocuments(source)) {
      if ("broken" in parsed) problems.push(parsed.broken);
      else readDocument(parsed.tree, parsed.problems, source, findings, said);
      broken ||= "broken" in parsed;
    }
    broken ||= findings.some(({ severity }) => severity === "error");
    problems.push(
      ...findings.map(({ severity, range, message, suggestion }) =>
        source.problem(severity, range, message, suggestion),
      ),
    );
  }
  const { hotReload, metrics, tracing, denied, strictWasm } = said;
  const isDenied = (type: string, version: string): boolean =>
    denied.has(type.toLowerCase()) || denied.has(denialOf(type, version));
  const configuration = { hotReload, metrics, tracing, isDenied, strictWasm };
  return { configuration, problems, broken };
}

/** The components as the configuration has them. */
export function configured(
  components: readonly ComponentSpec[],
  { strictWasm }: Configuration,
): readonly ComponentSpec[] {
  if (!strictWasm) return components;
  return components.map((spec) =>
    spec.type.toLowerCase() === "bindings.wasm" ? strict(spec) : spec,
  );
}

function strict(spec: ComponentSpec): ComponentSpec {
  return {
    ...spec,
    fingerprint: `${spec.fingerprint} strict`,
    async resolve(only) {
      const resolved = await spec.resolve(only);
      const own = Object.entries(resolved.values).filter(
        ([name]) => name.toLowerCase() !== "strictsandbox",
      );
      return { ...resolved, values: { ...Object.fromEntries(own), strictSandbox: "true" } };
    },
  };
}

type Said = {
  hotReload: boolean;
  metrics: boolean | undefined;
  tracing: TracingConfiguration | undefined;
  strictWasm: boolean;
  readonly denied: Set<string>;
};

function readDocument(
  tree: Tree,
  problems: readonly Finding[],
  source: Source,
  findings: Finding[],
  said: Said,
): void {
  if (tree.kind !== "map") return;
  const kind = tree.entries.find(({ key }) => key.toLowerCase() === "kind");
  if (kind === undefined || textOf(kind.value) !== "Configuration") return;
  findings.push(...problems);
  const root = new Mapping(tree, "", source, findings);
  root.text("apiVersion");
  root.reportUnknown(["apiVersion", "kind", "metadata", "spec"]);
  const spec = root.mapping("spec");
  if (spec === undefined) return;
  spec.reportUnknown([...known, ...elsewhere]);
  const others = elsewhere.filter((key) => {
    const entry = spec.entry(key);
    return entry !== undefined && !isNull(entry.value);
  });
  const [first] = others;
  if (first !== undefined) {
    const range = spec.entry(first)?.keyRange ?? spec.range;
    spec.report(
      "warning",
      range,
      `has no effect here: ${others.map((key) => `spec.${key}`).join(", ")}`,
    );
  }
  said.tracing = readTracing(spec, source, findings) ?? said.tracing;
  readFeatures(spec, source, findings, said);
  readDenials(spec, said);
  for (const key of ["metric", "metrics"]) {
    const enabled = readBool(spec.mapping(key), "enabled");
    if (enabled !== undefined) said.metrics = enabled;
  }
  const strictSandbox = readBool(spec.mapping("wasm"), "strictSandbox");
  if (strictSandbox !== undefined) said.strictWasm = strictSandbox;
}

function readFeatures(spec: Mapping, source: Source, findings: Finding[], said: Said): void {
  for (const [index, tree] of spec.list("features").entries()) {
    if (tree.kind !== "map") {
      const message = 'each of spec.features must be "- name: …" and "enabled: …"';
      spec.report("error", tree.range, message);
      continue;
    }
    const feature = new Mapping(tree, `spec.features[${index}].`, source, findings);
    feature.reportUnknown(["name", "enabled"]);
    const name = feature.text("name")?.text;
    const enabled = readBool(feature, "enabled");
    if (name === "HotReload" && enabled !== undefined) said.hotReload = enabled;
  }
}

function readDenials(spec: Mapping, said: Said): void {
  const components = spec.mapping("components");
  components?.reportUnknown(["deny"]);
  for (const tree of components?.list("deny") ?? []) {
    const text = tree.kind === "scalar" ? textOf(tree).trim() : "";
    if (text === "" || text.split("/").length > 2) {
      const message =
        'each of spec.components.deny must be a type, as "bindings.http" or "bindings.http/v1"';
      spec.report("error", tree.range, message);
      continue;
    }
    const [type = "", version] = text.split("/");
    said.denied.add(version === undefined ? type.toLowerCase() : denialOf(type, version));
  }
}

/** As daprd: in any case, and the first version has three names. */
function denialOf(type: string, version: string): string {
  const bare = version.toLowerCase();
  return `${type}/${["", "v0"].includes(bare) ? "v1" : bare}`.toLowerCase();
}
