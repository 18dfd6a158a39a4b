import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { until } from "../../until.ts";

const run = promisify(execFile);

/** What is mounted where, by its place. `undefined`: an empty folder that can be written. */
type Mounts = Readonly<Record<string, string | undefined>>;

/**
 * A place where the services of a compose file run without images: a network of its own, whose host names are the services',
 * and a root that is this machine's, with the mounts of the services in it. What is written there is gone with it.
 */
export class World implements AsyncDisposable {
  readonly #folder: string;
  readonly #holder: ChildProcess;
  readonly #services: ChildProcess[] = [];
  readonly #root: string;

  private constructor(folder: string, holder: ChildProcess) {
    this.#folder = folder;
    this.#holder = holder;
    this.#root = join(folder, "layers/root");
  }

  static async create(hosts: readonly string[], mounts: Mounts): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), "cufflink-compose-"));
    const root = join(folder, "layers/root");
    const names = join(folder, "hosts");
    writeFileSync(names, `127.0.0.1 localhost\n10.9.8.7 ${hosts.join(" ")}\n`);
    mkdirSync(join(folder, "layers"));
    const script = [
      // As in a container, what others reach is no loopback address.
      "set -e; ip link set lo up; ip address add 10.9.8.7/32 dev lo",
      `mount -t tmpfs tmpfs ${folder}/layers; cd ${folder}/layers; mkdir upper work root`,
      `mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root`,
      `mount -t proc proc root/proc; mount --rbind /dev root/dev; mount --bind ${names} root/etc/hosts`,
      ...Object.entries({ ...mounts }).flatMap(([place, source]) => {
        if (source === undefined) return [`mkdir -p ${root}${place}`];
        const parent = `mkdir -p $(dirname ${root}${place})`;
        const make = statSync(source).isDirectory() ? "mkdir -p" : "touch";
        return [parent, `${make} ${root}${place}`, `mount --bind ${source} ${root}${place}`];
      }),
      "echo ready; exec sleep infinity",
    ].join("\n");
    const holder = spawn("unshare", ["--net", "--mount", "sh", "-c", script], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const stream of [holder.stdout, holder.stderr])
      stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const world = new World(folder, holder);
    const isReady = (): boolean => {
      if (holder.exitCode !== null) throw new Error(`the world ended:\n${said}`);
      return said.includes("ready");
    };
    await until(isReady, { what: () => `a place for the services:\n${said}`, within: 30_000 });
    return world;
  }

  /** Starts a service; returns what it has printed so far. */
  start(command: readonly string[], env: Readonly<Record<string, string>>): () => string {
    const [program, args] = this.#inside(command);
    const service = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], HOME: "/tmp", ...env },
    });
    let said = `${basename(command[0] ?? "")}:\n`;
    for (const stream of [service.stdout, service.stderr])
      stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    this.#services.push(service);
    return () => said;
  }

  /** Runs a command to its end, and resolves to what it printed. */
  async run(
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const [program, args] = this.#inside(command);
    const options = { env: { PATH: process.env["PATH"], ...env }, timeout: 90_000 };
    return (await run(program, args, options)).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#services, this.#holder]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((done) => child.once("exit", done));
      child.kill("SIGKILL");
      await gone;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #inside(command: readonly string[]): [string, string[]] {
    const enter = ["--target", String(this.#holder.pid), "--net", "--mount"];
    return ["nsenter", [...enter, "chroot", this.#root, ...command]];
  }
}
