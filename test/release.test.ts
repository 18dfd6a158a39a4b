// What the release script refuses, and what it would make. test/operate/release makes it.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { version } from "../src/version.ts";
import { folder } from "./resources/folder.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..");

/** A repository with what the script reads, tagged as the version. */
async function repository(): Promise<{ path: string; git: (...args: string[]) => Promise<void> }> {
  const path = folder({});
  for (const name of ["package.json", "CHANGELOG.md", "scripts/release.ts", "scripts/release"])
    cpSync(join(root, name), join(path, name), { recursive: true });
  mkdirSync(join(path, "src"));
  cpSync(join(root, "src/version.ts"), join(path, "src/version.ts"));
  const identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
  const git = async (...args: string[]): Promise<void> => {
    await run("git", [...identity, ...args], { cwd: path });
  };
  await git("init", "--quiet");
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "all");
  await git("tag", `v${version}`);
  return { path, git };
}

async function release(path: string, ...args: string[]) {
  const script = join(path, "scripts/release.ts");
  try {
    const { stdout } = await run(process.execPath, [script, "--dry-run", ...args], { cwd: path });
    return { code: 0, text: stdout };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, text: stderr };
  }
}

test("--dry-run says what would be made, and makes nothing", async () => {
  const { path } = await repository();
  const { code, text } = await release(path, "--publish");
  expect(code).toBe(0);
  for (const made of [
    `v${version}: version ${version} of `,
    `would make cufflink-${version}.tgz`,
    `would make cufflink-app-${version}.tgz`,
    `would make cufflink-${version}.cdx.json`,
    `would make cufflink-image-${version}-slim.tar`,
    `would make cufflink-image-${version}-full.spdx.json`,
    "would write RELEASE_NOTES.md and SHA256SUMS to dist/release",
    `would run npm publish ${join(path, "dist/release")}/cufflink-${version}.tgz --provenance`,
  ])
    expect(text).toContain(made);
  expect(existsSync(join(path, "dist"))).toBe(false);
  const without = await release(path, "--without", "images,chart");
  expect(without.text).toContain("not made, as --without says: images");
  expect(without.text).not.toContain("would make cufflink-image");
});

test("a dirty tree, a wrong tag and a silent change log are refused, each with what to do", async () => {
  const { path, git } = await repository();
  const expectRefusal = async (text: RegExp, ...args: string[]): Promise<void> => {
    expect(await release(path, ...args)).toEqual({
      code: 1,
      text: expect.stringMatching(text) as string,
    });
  };
  await expectRefusal(/^release: --without nosuch: the parts are packages/, "--without=nosuch");
  await expectRefusal(/^release: v9\.9\.9 is not a tag of \w+; check it out/, "--tag=v9.9.9");
  await git("tag", "v9.9.9");
  await expectRefusal(/^release: this commit has the tags .*; say which by --tag/);
  await expectRefusal(/the tag is v9\.9\.9, and package\.json says/, "--tag=v9.9.9");
  await git("tag", "--delete", "v9.9.9");

  writeFileSync(join(path, "new"), "");
  await expectRefusal(/^release: the tree is not what is committed; .*\n.*new/);
  const changes = join(path, "CHANGELOG.md");
  const text = readFileSync(changes, "utf8");
  writeFileSync(changes, text.replace(`## [${version}]`, "## [Unreleased]"));
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "more");
  await expectRefusal(/^release: \w+ has no tag; tag it/);
  await git("tag", "--force", `v${version}`);
  await expectRefusal(/^release: CHANGELOG\.md has no section "## \[[\d.]+\] - DATE"/);
  writeFileSync(changes, text.replace(/(## \[[\d.]+\] - .*\n)[^]*/, "$1"));
  await git("commit", "--quiet", "--all", "--message", "less");
  await git("tag", "--force", `v${version}`);
  await expectRefusal(/^release: CHANGELOG\.md says nothing of/);
});

test("the change log has a section of this version, with its date", () => {
  const text = readFileSync(join(root, "CHANGELOG.md"), "utf8");
  expect(text).toMatch(new RegExp(`^## \\[${version}\\] - \\d{4}-\\d\\d-\\d\\d$`, "m"));
});
