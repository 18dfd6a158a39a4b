import type { ComponentSpec } from "../component.ts";
import { secretsOf } from "../secrets.ts";
import { documentOf } from "./component-spec.ts";
import { documentAt } from "./document.ts";
import { describe, type ResourceProblem } from "./problem.ts";
import type { Visibility } from "./visibility.ts";

/** A component as its file says it, with `***` in place of each secret. */
export type Definition = {
  readonly yaml: string;
  readonly file: string;
  /** Where it begins in the file. The first line is 1. */
  readonly line: number;
  readonly findings: readonly {
    readonly severity: ResourceProblem["severity"];
    readonly message: string;
    readonly line: number;
    readonly column: number;
  }[];
};

/**
 * What a component was loaded from; `undefined`: it was made in code. What may be read is what is known to be no secret: the
 * keys, the names of secrets, and the values that `visible` allows, without the passwords of URLs in them. `problems`: those
 * of all resources.
 */
export function definitionOf(
  component: ComponentSpec,
  visible: Visibility,
  problems: readonly ResourceProblem[],
): Definition | undefined {
  const loaded = documentOf(component);
  if (loaded === undefined) return undefined;
  const { document, properties } = loaded;
  const { source, items, type } = document;
  const range = documentAt(source, document.nameRange[0]);
  const { first, last } = source.linesOf(range);
  const hidden = new Set<number>();
  const instead = new Map<number, string>();
  const values = new Set<number>();
  const secrets: string[] = [];
  for (const { name, value, secretKeyRef } of items) {
    const isVisible = secretKeyRef === undefined && visible(type, name);
    if (!isVisible) secrets.push(properties.values[name] ?? "", value?.text ?? "");
    if (value === undefined) continue;
    const hasUser = withUser.test(value.text);
    if (isVisible && !hasUser) {
      values.add(value.range[0]);
      continue;
    }
    hidden.add(value.range[0]);
    const written = source.text.slice(...value.range);
    if (isVisible && !written.includes("\n"))
      instead.set(value.range[0], written.replaceAll(userInUrl, "$1***@"));
  }
  const { redact } = secretsOf(secrets);
  return {
    yaml: source.shown(range, { hidden, instead, values, redact }),
    file: source.file,
    line: first,
    findings: problems
      .map((problem) => ({ problem, ...(problem.within ?? problem) }))
      .filter(({ problem, line }) => problem.file === source.file && line >= first && line <= last)
      .map(({ problem, line, column }) => {
        return { severity: problem.severity, message: describe(problem), line, column };
      }),
  };
}

/** A URL with a user, or with what may be a password that has a slash in it. */
const withUser = /:\/\/(?:[^/\s]*|\S*:\S*)@/;
/** What stands before the host: a password, or a user alone, which may be a token. */
const userInUrl = /(:\/\/(?:[^/\s:@]*:)?)\S*@/g;
