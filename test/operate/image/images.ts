import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");

/** What an image says of itself, in the form of Docker. */
export type ImageConfig = {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly StopSignal: string;
  readonly Volumes: Readonly<Record<string, object>>;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Healthcheck: { readonly Test: readonly string[] };
};

/** Images in a store of their own, built by buildah without a daemon. */
export class Images implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Images> {
    return new Images(await mkdtemp(join(tmpdir(), "cufflink-images-")));
  }

  /** Makes an image of one layer. */
  async import(tag: string, tar: string): Promise<void> {
    const context = join(this.folder, "import");
    await mkdir(context, { recursive: true });
    await copyFile(tar, join(context, "files.tar"));
    await writeFile(join(context, "Dockerfile"), "FROM scratch\nADD files.tar /\n");
    await this.buildah("bud", "--isolation", "chroot", "--tag", tag, context);
    await rm(context, { recursive: true });
  }

  /** Builds a target of the Dockerfile that is shipped, of a package that was just made. */
  async build(target: string, args: Readonly<Record<string, string>>): Promise<string> {
    const tag = `localhost/cufflink:${target}`;
    await this.buildah(
      ...["bud", "--isolation", "chroot", "--format", "docker", "--target", target, "--tag", tag],
      ...Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
      ...["--file", join(root, "deploy/image/Dockerfile"), await this.#context()],
    );
    return tag;
  }

  async config(tag: string): Promise<ImageConfig> {
    const text = await this.buildah("inspect", "--type", "image", tag);
    return (JSON.parse(text) as { Docker: { config: ImageConfig } }).Docker.config;
  }

  /** The image's files in a folder. */
  async mount(tag: string): Promise<string> {
    const container = (await this.buildah("from", "--pull-never", tag)).trim();
    return (await this.buildah("mount", container)).trim();
  }

  /** Writes the image to an archive. */
  async save(tag: string): Promise<string> {
    const file = join(this.folder, `${tag.replaceAll(/\W/g, "-")}.tar`);
    await this.buildah("push", "--format", "oci", tag, `oci-archive:${file}`);
    return file;
  }

  async buildah(...args: string[]): Promise<string> {
    const store = ["--root", join(this.folder, "root"), "--runroot", join(this.folder, "run")];
    const { stdout } = await run("buildah", [...store, "--storage-driver", "vfs", ...args], {
      timeout: 1_200_000,
      maxBuffer: 64 << 20,
    });
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.buildah("umount", "--all").catch(() => undefined);
    await this.buildah("rm", "--all").catch(() => undefined);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** What the image is built of, where nothing is that it must not have. */
  async #context(): Promise<string> {
    const context = join(this.folder, "context");
    await mkdir(join(context, "deploy"), { recursive: true });
    await cp(join(root, "deploy/image"), join(context, "deploy/image"), { recursive: true });
    await copyFile(join(root, ".dockerignore"), join(context, ".dockerignore"));
    const packages = join(context, "dist/packages");
    const script = join(root, "scripts/package.ts");
    await run(process.execPath, [script, "--out", packages], { timeout: 300_000 });
    return context;
  }
}
