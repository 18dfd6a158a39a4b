import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createProgram } from "../../src/cli/main.ts";
import { pages, readPage, root } from "./pages.ts";

const program = await createProgram(() => undefined);
const known = new Set(
  [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)].flatMap(
    ({ options }) =>
      options.flatMap(({ long }) => (long === undefined || long === null ? [] : [long])),
  ),
);
for (const flag of ["--help", "--version"]) known.add(flag);

test.each(pages)("the flags that %s names are there", (page) => {
  const scripts = scriptsOf(readPage(page));
  const named = readPage(page).match(/(?<![\w-])--[a-z][a-z0-9-]+/g) ?? [];
  const unknown = new Set(named.filter((flag) => !known.has(flag)));
  const isElsewhere = (flag: string) =>
    foreign.has(flag) || scripts.some((text) => text.includes(flag.slice(2)));
  expect([...unknown].filter((flag) => !isElsewhere(flag))).toEqual([]);
});

/** The programs behind the `npm run` commands of a page, whose flags are their own. */
function scriptsOf(text: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  return [
    ...new Set(Array.from(text.matchAll(/npm run ([\w:]+)/g), ([, name = ""]) => name)),
  ].flatMap((name) => {
    const file = /node (?:--\S+ )*(\S+\.ts)/.exec(scripts[name] ?? "")?.[1];
    return file === undefined ? [] : [readFileSync(join(root, file), "utf8")];
  });
}

/** Flags of other programs: npm, Docker, systemd, Node, setpriv, redis-server, debootstrap; and the example of one that a component's program has. */
const foreign = new Set([
  "--variant",
  "--user",
  "--build",
  "--tag",
  "--target",
  "--file",
  "--create",
  "--volume",
  "--security-opt",
  "--cap-drop",
  "--read-only",
  "--format",
  "--global",
  "--create-namespace",
  "--test",
  "--enable-feature",
  "--event-types",
  "--ignore-scripts",
  "--min-semi-space-size",
  "--name",
  "--payload-format",
  "--pdeathsig",
  "--requirepass",
  "--save-dev",
  "--test",
  "--topic",
  "--variant",
  "--watch",
]);
