import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settled } from "./bill.ts";
import { Refused, type Release } from "./check.ts";
import { run } from "./run.ts";

/** The images as archives that Docker, Podman and containerd load, and what is in them as SPDX and CycloneDX. */
export function makeImages(release: Release, dryRun: boolean): string[] {
  const { root, version } = release;
  const archives = ["slim", "full"].map((target) => ({
    target,
    files: [".tar", ".spdx.json", ".cdx.json"].map(
      (ending) => `cufflink-image-${version}-${target}${ending}`,
    ),
  }));
  if (!dryRun) {
    for (const program of ["buildah", "syft"]) requireProgram(program);
    const context = mkdtempSync(join(tmpdir(), "cufflink-release-image-"));
    try {
      cpSync(join(root, "deploy/image"), join(context, "deploy/image"), { recursive: true });
      cpSync(join(root, ".dockerignore"), join(context, ".dockerignore"));
      const script = join(root, "scripts/package.ts");
      const packages = join(context, "dist/packages");
      run(process.execPath, [script, "--out", packages], root);
      for (const { target, files } of archives) makeImage(release, context, target, files);
    } finally {
      rmSync(context, { recursive: true, force: true });
    }
  }
  return archives.flatMap(({ files }) => files);
}

function makeImage(release: Release, context: string, target: string, files: string[]): void {
  const { out, version, commit, time, base } = release;
  const tag = `localhost/cufflink:${version}-${target}`;
  const args = {
    VERSION: version,
    REVISION: commit,
    CREATED: new Date(time * 1000).toISOString(),
    ...(base !== undefined && { BASE: base }),
  };
  run(
    "buildah",
    [
      ...["bud", "--format", "docker", "--timestamp", String(time)],
      ...["--target", target, "--tag", tag],
      ...Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
      ...["--file", join(context, "deploy/image/Dockerfile"), context],
    ],
    context,
  );
  const [archive = "", spdx = "", cyclonedx = ""] = files.map((name) => join(out, name));
  // Docker's form keeps the health check, which the form of OCI has not.
  run("buildah", ["push", tag, `docker-archive:${archive}:cufflink:${version}-${target}`], out);
  run("buildah", ["rmi", tag], out);
  const outputs = ["-o", `spdx-json=${spdx}`, "-o", `cyclonedx-json=${cyclonedx}`];
  run("syft", ["scan", "--quiet", `docker-archive:${archive}`, ...outputs], out);
  for (const bill of [spdx, cyclonedx])
    writeFileSync(bill, settled(readFileSync(bill, "utf8"), release, `image-${target}`));
}

function requireProgram(program: string): void {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
  } catch {
    throw new Refused(
      `images need ${program}, which is not here; install it, or say --without images`,
    );
  }
}
