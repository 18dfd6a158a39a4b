import { parseAnyYaml } from "../../src/resources/any-yaml.ts";
import { readPlainYaml } from "../../src/resources/plain-yaml.ts";
import { Source } from "../../src/resources/source.ts";
import type { Tree } from "../../src/resources/tree.ts";

/**
 * One document as the plain reader and as the YAML library read it. `plain` is undefined where the plain reader leaves it to
 * the library. Behind a list or mapping of several lines its end may lie before or behind comments and empty lines.
 */
export function readByBoth(text: string): { plain: unknown; library: unknown } {
  const plain = readPlainYaml(text, 0);
  const read = parseAnyYaml(new Source("a.yaml", text), [0, text.length], text);
  const tree = read !== undefined && "tree" in read ? read.tree : undefined;
  const library =
    tree !== undefined && read !== undefined && "tree" in read && read.problems.length === 0
      ? comparable(tree, text)
      : read;
  return { plain: plain && comparable(plain, text), library };
}

function comparable(tree: Tree, text: string): unknown {
  const { kind } = tree;
  if (kind === "scalar") return { ...tree.scalar, range: tree.range };
  const [start, end] = tree.range;
  const range = [start, text.slice(0, end).replace(/(?:\n *(?:#.*)?)+$/, "").length];
  if (kind === "list") return { range, items: tree.items.map((item) => comparable(item, text)) };
  const entries = tree.entries.map(({ key, keyRange, value }) => [
    ...[key, keyRange],
    comparable(value, text),
  ]);
  return { range, entries };
}
