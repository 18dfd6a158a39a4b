import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Why there is no release; what to do is in the text. */
export class Refused extends Error {}

/** A version that may be released. */
export type Release = {
  readonly root: string;
  /** The folder of what is made. */
  readonly out: string;
  /** The image that images are built on; `undefined`: the Dockerfile's own. */
  readonly base: string | undefined;
  readonly tag: string;
  readonly version: string;
  readonly commit: string;
  /** When the commit was made, in seconds since 1970: the time of everything that has one. */
  readonly time: number;
  /** What CHANGELOG.md says of the version. */
  readonly notes: string;
};

/** Finds the version of this commit. Throws {@link Refused} for a tree, a tag or a change log that is not that version's. */
export function checkRelease(root: string, asked?: string): Omit<Release, "root" | "out" | "base"> {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain");
  if (changed !== "")
    throw new Refused(`the tree is not what is committed; commit or remove:\n${changed}`);
  const commit = git("rev-parse", "HEAD");
  const tags = git("tag", "--points-at", "HEAD")
    .split("\n")
    .filter((tag) => tag !== "");
  const tag = asked ?? tags[0];
  if (tag === undefined) throw new Refused(`${commit} has no tag; tag it, as by: git tag v1.2.3`);
  if (!tags.includes(tag)) throw new Refused(`${tag} is not a tag of ${commit}; check it out`);
  if (asked === undefined && tags.length > 1)
    throw new Refused(`this commit has the tags ${tags.join(", ")}; say which by --tag`);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  const said = { "package.json": version, ...versionsIn(root) };
  for (const [file, one] of Object.entries(said))
    if (tag !== `v${one}`)
      throw new Refused(`the tag is ${tag}, and ${file} says ${one}: they must be of one version`);
  const time = Number(git("show", "--no-patch", "--format=%ct", "HEAD"));
  return { tag, version, commit, time, notes: notesOf(root, version) };
}

/** The versions that other files say. */
function versionsIn(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const places = {
    "src/version.ts": /^export const version = "(.*)"/m,
    "deploy/helm/cufflink/Chart.yaml": /^appVersion: "?([^"\s]+)"?/m,
  };
  for (const [file, pattern] of Object.entries(places)) {
    if (!existsSync(join(root, file))) continue;
    found[file] = pattern.exec(readFileSync(join(root, file), "utf8"))?.[1] ?? "nothing";
  }
  return found;
}

/** The section of a version, without its title. */
function notesOf(root: string, version: string): string {
  const text = readFileSync(join(root, "CHANGELOG.md"), "utf8");
  const sections = text.split(/^## /m).slice(1);
  const section = sections.find((one) => one.startsWith(`[${version}] - `));
  if (section === undefined)
    throw new Refused(`CHANGELOG.md has no section "## [${version}] - DATE"; write it`);
  const notes = section
    .slice(section.indexOf("\n"))
    .replace(/^\[[^\]]+\]: .*$/gm, "")
    .trim();
  if (notes === "") throw new Refused(`CHANGELOG.md says nothing of ${version}; write it`);
  return notes;
}
