import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../../..");

/** The files that are loaded with this one: what it imports otherwise than as a type, or when it is first needed. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file) || !existsSync(file)) return found;
  found.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, clause = "", path = ""] of text.matchAll(
    /^(?:import|export)\s+((?:[^"';]*?)\sfrom\s+)?"(\.[^"]+)";/gm,
  )) {
    const names = /\{([^}]*)\}/.exec(clause)?.[1]?.split(",") ?? [];
    const areTypes = names.length > 0 && names.every((name) => /^\s*(type\s|$)/.test(name));
    if (/^type\s/.test(clause) || (areTypes && !/^\s*\w+\s*,/.test(clause))) continue;
    loadedWith(join(dirname(file), path), found);
  }
  return found;
}

test("a daemon without a console loads none of its code", () => {
  const all = [...loadedWith(join(root, "src/cli/serve.ts"))].map((file) => relative(root, file));
  expect(all).toContain("src/server/server.ts");
  expect(all).toContain("src/runtime/delivery/delivery.ts");
  const ofConsole = /^src\/(server\/console|runtime\/watch|cli\/.*console|rpc\/forwarding)/;
  expect(all.filter((file) => ofConsole.test(file))).toEqual([]);
});
