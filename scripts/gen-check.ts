// Fails when gen/ is not what the protos generate. It generates into a temporary folder, so it
// judges the files as they lie and changes none.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const temporary = mkdtempSync(join(tmpdir(), "cufflink-gen-"));
try {
  execFileSync("buf", ["generate", "--output", temporary], { cwd: root, stdio: "inherit" });
  const stale = differences(join(root, "gen"), join(temporary, "gen"));
  if (stale.length > 0) {
    console.error(`gen/ is not what proto/ generates; run \`npm run gen\`:\n${stale.join("\n")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

function differences(committed: string, generated: string): string[] {
  const present = files(committed);
  const wanted = files(generated);
  const names = [...new Set([...present.keys(), ...wanted.keys()])].toSorted();
  return names.flatMap((name) => {
    if (present.get(name) === wanted.get(name)) return [];
    if (!wanted.has(name)) return [`  gen/${name}: no proto generates it`];
    return [`  gen/${name}: ${present.has(name) ? "differs" : "missing"}`];
  });
}

function files(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")]),
  );
}
