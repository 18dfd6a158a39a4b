import { readComponent, type ComponentDocument } from "../resources/component-document.ts";
import { roleOf } from "../resources/component-type.ts";
import { parseDocuments } from "../resources/document.ts";
import { resourceTree } from "../resources/kind.ts";
import { isMeantFor } from "../resources/meant-for.ts";
import type { ResourceProblem } from "../resources/problem.ts";
import type { Source } from "../resources/source.ts";
import { textOf, type Finding, type Tree } from "../resources/tree.ts";

/** A secret of Kubernetes, and who needs it. */
export type SecretReference = {
  readonly name: string;
  /** The components' names. */
  readonly components: readonly string[];
};

export type ReferenceOptions = {
  /** Components that are not in its scope do not count. Default: all count. */
  readonly appId?: string | undefined;
  /** Components of other namespaces do not count; those that name none do. */
  readonly namespace: string;
};

/** The store that is there without being defined, and whose secrets are meant where no store is named. */
const builtIn = "kubernetes";
const storeType = "secretstores.kubernetes";

/**
 * The secrets of Kubernetes that the components refer to: directly, or by the secret store that they name. `problems`: of
 * what could not be read, so that something may be missing.
 */
export async function secretReferences(
  sources: readonly Source[],
  { appId, namespace }: ReferenceOptions,
): Promise<{ references: readonly SecretReference[]; problems: readonly ResourceProblem[] }> {
  const problems: ResourceProblem[] = [];
  const documents: ComponentDocument[] = [];
  for (const source of sources)
    for (const tree of await treesOf(source, problems)) {
      const findings: Finding[] = [];
      const resource = resourceTree(tree, source, findings);
      if (resource?.kind === "Component") {
        const document = readComponent(resource.tree, source, findings);
        if (document !== undefined && isMeantFor(document, appId, namespace))
          documents.push(document);
      }
      for (const { severity, range, message, suggestion } of findings)
        if (severity === "error")
          problems.push(source.problem(severity, range, message, suggestion));
    }
  const stores = new Map(
    documents
      .filter(({ type }) => roleOf(type) === "secret store")
      .map((store) => [store.name, store]),
  );
  const names = new Map<string, Set<string>>();
  const seen = new Set<ComponentDocument>();
  const add = (document: ComponentDocument): void => {
    if (seen.has(document)) return;
    seen.add(document);
    const wanted = document.items.flatMap(({ secretKeyRef }) => secretKeyRef?.name ?? []);
    if (wanted.length === 0) return;
    const storeName = document.secretStore?.text ?? builtIn;
    const store = stores.get(storeName);
    if (store === undefined ? storeName === builtIn : store.type.toLowerCase() === storeType) {
      for (const name of wanted) names.set(name, (names.get(name) ?? new Set()).add(document.name));
    }
    // A store may have its own log-in from another one.
    if (store !== undefined) add(store);
  };
  for (const document of documents)
    if (["binding", "state store", "unknown"].includes(roleOf(document.type))) add(document);
  const references = [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, of]) => ({ name, components: [...of].sort() }));
  return { references, problems };
}

/** The documents; of a list, as `kubectl get -o yaml` writes it, each of its items. */
async function treesOf(source: Source, problems: ResourceProblem[]): Promise<Tree[]> {
  const trees: Tree[] = [];
  for (const parsed of await parseDocuments(source)) {
    if ("broken" in parsed) problems.push(parsed.broken);
    else trees.push(...itemsOf(parsed.tree));
  }
  return trees;
}

function itemsOf(tree: Tree): readonly Tree[] {
  if (tree.kind !== "map") return [tree];
  const at = (key: string): Tree | undefined =>
    tree.entries.find((entry) => entry.key === key)?.value;
  const [kind, items] = [at("kind"), at("items")];
  const isList = kind !== undefined && textOf(kind).endsWith("List");
  return isList && items?.kind === "list" ? items.items : [tree];
}
