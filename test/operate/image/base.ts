import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withFileLock } from "../../servers/install.ts";

const run = promisify(execFile);
const suite = "bookworm";
/** The authorities that this machine trusts beside Debian's, as where a proxy stands before the registries. */
const authorities = "usr/local/share/ca-certificates";

/** The files of a base image, in a tar, made once by debootstrap from Debian's packages; no image registry is asked. */
export async function baseImageFiles(): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "cufflink");
  const file = join(cache, `image-base-${suite}.tar`);
  await withFileLock("cufflink-image-base", async () => {
    if (existsSync(file)) return;
    await mkdir(cache, { recursive: true });
    const folder = await mkdtemp(join(cache, "image-base-"));
    try {
      const tree = join(folder, "tree");
      const include = "--include=ca-certificates,tzdata";
      await run("debootstrap", ["--variant=minbase", include, suite, tree], options);
      for (const name of await readdir(join("/", authorities)).catch(() => []))
        await copyFile(join("/", authorities, name), join(tree, authorities, name));
      await run("chroot", [tree, "update-ca-certificates"], options);
      const part = join(folder, "base.tar");
      await run("tar", ["-C", tree, "--numeric-owner", "-cf", part, "."], options);
      await rename(part, file);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
  return file;
}

const options = { timeout: 900_000, maxBuffer: 64 << 20 };
