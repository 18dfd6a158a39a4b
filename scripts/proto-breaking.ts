// Fails when a change of proto/cufflink would break a client made from its previous version.
//
// The previous version is HEAD while the protos have uncommitted changes, else the commit before the
// last that touched them. Where git knows neither (a first commit, a shallow clone, no repository)
// there is nothing to compare with, and it says so.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const previous = previousVersion();
if (previous === undefined) {
  console.log("buf breaking: no previous version of proto/cufflink to compare with");
} else {
  process.exitCode = compareWith(previous);
}

function compareWith(commit: string): number {
  const temporary = mkdtempSync(join(tmpdir(), "cufflink-breaking-"));
  try {
    const archive = join(temporary, "previous.tar");
    execFileSync("git", ["archive", "--output", archive, commit, "proto", "buf.yaml"], {
      cwd: root,
    });
    const { status } = spawnSync("buf", ["breaking", "--against", archive], {
      cwd: root,
      stdio: "inherit",
    });
    return status ?? 1;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function previousVersion(): string | undefined {
  if (git("status", "--porcelain", "--", "proto/cufflink") !== "") return revision("HEAD");
  const last = git("log", "-1", "--format=%H", "--", "proto/cufflink");
  return last === undefined || last === "" ? undefined : revision(`${last}^`);
}

/** The commit, if it is here and has our protos. */
function revision(name: string): string | undefined {
  const commit = git("rev-parse", "--verify", "--quiet", `${name}^{commit}`);
  if (commit === undefined) return undefined;
  return git("cat-file", "-e", `${commit}:proto/cufflink`) === undefined ? undefined : commit;
}

function git(...command: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", command, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
