import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../../until.ts";
import type { ImageConfig } from "./images.ts";

const run = promisify(execFile);

export type ContainerOptions = {
  /** The image's files, which are never written to. */
  readonly files: string;
  readonly config: Omit<ImageConfig, "StopSignal" | "Labels" | "Healthcheck">;
  /** In place of the image's command. */
  readonly args?: readonly string[];
  /** Folders and files of this machine, read-only, by their place in the container. */
  readonly mounts?: Readonly<Record<string, string>>;
  /** The system calls that are allowed; others fail with EPERM. Default: all. */
  readonly systemCalls?: readonly string[];
};

/**
 * A container as a strict host starts it, by crun: read-only root, no capability, no new privileges, the user of the
 * image, and nothing that can be written but the image's volumes. It shares this machine's network.
 */
export class Container implements AsyncDisposable {
  output = "";
  readonly exited: Promise<number | null>;
  readonly #folder: string;
  readonly #name: string;

  constructor({ files, config, args = config.Cmd, mounts = {}, systemCalls }: ContainerOptions) {
    this.#folder = mkdtempSync(join(tmpdir(), "cufflink-container-"));
    this.#name = this.#folder.split("/").at(-1) ?? "";
    const [uid = 0, gid = 0] = config.User.split(":").map(Number);
    const specification = {
      ociVersion: "1.0.2",
      process: {
        args: [...config.Entrypoint, ...args],
        env: config.Env,
        cwd: config.WorkingDir,
        user: { uid, gid },
        noNewPrivileges: true,
        capabilities: {},
      },
      root: { path: join(this.#folder, "root"), readonly: true },
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
        ...Object.keys(config.Volumes).map((destination) => ({
          ...{ destination, type: "tmpfs", source: "tmpfs" },
          options: ["nosuid", "nodev", "noexec", `uid=${uid}`, `gid=${gid}`, "mode=700"],
        })),
        ...Object.entries(mounts).map(([destination, source]) => ({
          ...{ destination, source, type: "bind" },
          options: ["bind", "ro", "nosuid", "nodev"],
        })),
      ],
      linux: {
        namespaces: ["mount", "pid", "ipc", "uts"].map((type) => ({ type })),
        ...(systemCalls !== undefined && {
          seccomp: {
            defaultAction: "SCMP_ACT_ERRNO",
            syscalls: [{ names: systemCalls, action: "SCMP_ACT_ALLOW" }],
          },
        }),
      },
    };
    for (const name of ["state", "root"]) mkdirSync(join(this.#folder, name));
    writeFileSync(join(this.#folder, "config.json"), JSON.stringify(specification));
    const child = spawn(...crun(this.#folder, ["run", "--pid-file", "pid", this.#name], files), {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.exited = new Promise((done) => child.once("close", done));
  }

  /** The first process of the container, as this machine numbers it. */
  async pid(): Promise<number> {
    const read = (): number => {
      try {
        return Number(readFileSync(join(this.#folder, "pid"), "utf8"));
      } catch {
        return 0;
      }
    };
    await until(() => read() > 0, { what: () => `a container:\n${this.output}`, within: 30_000 });
    return read();
  }

  /** Runs a command in the container, as its health check is run. */
  async exec(...command: string[]): Promise<{ code: number; output: string }> {
    const [program, args] = crun(this.#folder, ["exec", this.#name, ...command]);
    try {
      const { stdout, stderr } = await run(program, args, { timeout: 60_000 });
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, output: stdout + stderr };
    }
  }

  /** Sends a signal to the first process and resolves to how it ended. */
  async end(signal: string): Promise<number | null> {
    process.kill(await this.pid(), signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [program, args] = crun(this.#folder, ["delete", "--force", this.#name]);
    await run(program, args).catch(() => undefined);
    await this.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * The command for crun, which refuses to start where both versions of control groups are mounted: it sees one only.
 * `files` are mounted as the root of what it starts; they may be this machine's own.
 */
function crun(folder: string, args: readonly string[], files?: string): [string, string[]] {
  const options = ["--root", join(folder, "state"), "--cgroup-manager=disabled"];
  const script = [
    "set -e; umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup",
    ...(files === undefined ? [] : [`mount --bind '${files}' '${join(folder, "root")}'`]),
    'exec crun "$@"',
  ];
  return ["unshare", ["--mount", "sh", "-c", script.join("; "), "crun", ...options, ...args]];
}
