import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** One component, of the same text for Cufflink and daprd. */
export type Component = {
  readonly name: string;
  /** Without `bindings.`. */
  readonly type: string;
  readonly metadata: Readonly<Record<string, string>>;
};

/** Writes it into a fresh folder below the given one, for `--resources-path`. */
export function writeComponent(below: string, component: Component): Promise<string> {
  return writeComponents(below, [component]);
}

/** The same with several, in one file. */
export async function writeComponents(
  below: string,
  components: readonly Component[],
): Promise<string> {
  const folder = await mkdtemp(join(below, "components-"));
  await writeFile(join(folder, "component.yaml"), components.map(textOf).join("---\n"));
  return folder;
}

function textOf(component: Component): string {
  const items = Object.entries(component.metadata).map(
    ([name, value]) => `    - { name: ${name}, value: ${JSON.stringify(value)} }\n`,
  );
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: ${component.name}
spec:
  type: bindings.${component.type}
  version: v1
  metadata:
${items.join("")}`;
}
