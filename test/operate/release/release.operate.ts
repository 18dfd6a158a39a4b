// The release script, from a tag in a repository of its own: everything that it makes, and the same bytes each time.
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { version } from "../../../src/version.ts";
import { installGoProgram, installedGoProgram } from "../../servers/go-install.ts";
import { baseImageFiles } from "../image/base.ts";
import { syft } from "../image/syft.ts";
import { record } from "../record.ts";
import { describeWithTools } from "../tools.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");
const folder = mkdtempSync(join(tmpdir(), "cufflink-release-"));
const repository = join(folder, "repository");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  const options = { cwd: root, maxBuffer: 64 << 20 };
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  const { stdout } = await run("git", list, options);
  for (const name of stdout.split("\0").filter((one) => one !== "")) {
    mkdirSync(dirname(join(repository, name)), { recursive: true });
    cpSync(join(root, name), join(repository, name), { verbatimSymlinks: true });
  }
  symlinkSync(join(root, "node_modules"), join(repository, "node_modules"));
  await git("init", "--quiet");
  writeFileSync(join(repository, ".git/info/exclude"), "node_modules\n");
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "all");
  await git("tag", `v${version}`);
}, 120_000);

async function git(...args: string[]): Promise<void> {
  const identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
  await run("git", [...identity, ...args], { cwd: repository, maxBuffer: 64 << 20 });
}

async function release(
  out: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const script = join(repository, "scripts/release.ts");
  const { stdout } = await run(process.execPath, [script, "--out", out, ...args], {
    cwd: repository,
    env: { ...process.env, ...env },
    timeout: 1_500_000,
    maxBuffer: 64 << 20,
  });
  return stdout;
}

test(
  "packages, chart, bill of materials, notes and checksums are the same, made twice",
  { timeout: 600_000 },
  async () => {
    const [first, second] = [join(folder, "first"), join(folder, "second")];
    for (const out of [first, second])
      expect(await release(out, ["--without", "images"])).toContain(
        "not made, as --without says: images",
      );
    const names = readdirSync(first);
    expect(names).toEqual(
      expect.arrayContaining([
        ...[
          `cufflink-${version}.tgz`,
          `cufflink-app-${version}.tgz`,
          `cufflink-${version}.cdx.json`,
        ],
        ...["RELEASE_NOTES.md", "SHA256SUMS"],
      ]),
    );
    await run("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: first });
    expect(readFileSync(join(second, "SHA256SUMS"), "utf8")).toBe(
      readFileSync(join(first, "SHA256SUMS"), "utf8"),
    );
    const bill = JSON.parse(readFileSync(join(first, `cufflink-${version}.cdx.json`), "utf8")) as {
      metadata: { component: { purl: string } };
      components: { name: string }[];
    };
    const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      dependencies: object;
    };
    expect(bill.components.map(({ name }) => name)).not.toContain("vitest");
    expect(bill.metadata.component.purl).toBe(`pkg:npm/cufflink@${version}`);
    expect(bill.components.map(({ name }) => name)).toEqual(
      expect.arrayContaining(Object.keys(dependencies)),
    );
    expect(readFileSync(join(first, "RELEASE_NOTES.md"), "utf8")).toMatch(
      /^The first version\.[^]*### Added/,
    );
    await record("release", {
      reproducible: names.filter((name) => name !== "SHA256SUMS").toSorted(),
    });
  },
);

test("nothing is published where no CI proves who built it", { timeout: 300_000 }, async () => {
  const env = { ACTIONS_ID_TOKEN_REQUEST_URL: "", SIGSTORE_ID_TOKEN: "" };
  const args = ["--without", "packages,images,chart", "--publish"];
  await expect(release(join(folder, "published"), args, env)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("nothing here proves where the packages were built") as string,
  });
});

describeWithTools("images", { programs: ["buildah", "debootstrap"], root: true }, () => {
  test(
    "are archives for Docker with a health check, with what is in them",
    { timeout: 1_800_000 },
    async () => {
      await installGoProgram(syft);
      const [store, context] = [join(folder, "store"), join(folder, "base")];
      const conf = join(folder, "storage.conf");
      writeFileSync(
        conf,
        `[storage]\ndriver = "vfs"\ngraphroot = "${store}"\nrunroot = "${store}-run"\n`,
      );
      const env = {
        CONTAINERS_STORAGE_CONF: conf,
        BUILDAH_ISOLATION: "chroot",
        PATH: `${dirname(installedGoProgram(syft))}:${process.env["PATH"]}`,
      };
      const options = { env: { ...process.env, ...env }, maxBuffer: 64 << 20 };
      mkdirSync(context);
      cpSync(await baseImageFiles(), join(context, "files.tar"));
      writeFileSync(join(context, "Dockerfile"), "FROM scratch\nADD files.tar /\n");
      await run("buildah", ["bud", "--tag", "localhost/base", context], options);

      const out = join(folder, "images");
      await release(out, ["--without", "packages,chart", "--base", "localhost/base"], env);
      for (const target of ["slim", "full"]) {
        const name = `cufflink-image-${version}-${target}`;
        expect(readdirSync(out)).toEqual(
          expect.arrayContaining([`${name}.tar`, `${name}.spdx.json`, `${name}.cdx.json`]),
        );
        const read = async (file: string): Promise<unknown> =>
          JSON.parse((await run("tar", ["-xOf", join(out, `${name}.tar`), file], options)).stdout);
        const [{ Config, RepoTags }] = (await read("manifest.json")) as [
          { Config: string; RepoTags: string[] },
        ];
        expect(RepoTags).toContain(`docker.io/library/cufflink:${version}-${target}`);
        const { config } = (await read(Config)) as { config: object };
        expect(config).toMatchObject({
          Healthcheck: { Test: ["CMD", "/usr/local/bin/cufflink", "health"] },
          Labels: { "org.opencontainers.image.version": version },
        });
      }
    },
  );
});
