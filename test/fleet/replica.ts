import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AppProcess, type Record } from "../faults/app-process.ts";
import { clockFileIn } from "../faults/faults.ts";
import { RuntimeProcess, type ComponentYaml } from "../faults/runtime-process.ts";
import { localPlace, type Place } from "../servers/place.ts";

/** What all replicas of a fleet have in common. */
export type ReplicaKind = {
  /** Of all servers of the store. */
  readonly storeUrl: string;
  /** The components of a replica by its name. */
  readonly components: (replica: string) => readonly ComponentYaml[];
  readonly arguments?: readonly string[];
};

/** One replica: a runtime and its app beside it, both processes, at one place. */
export class Replica {
  readonly name: string;
  readonly place: Place;
  readonly runtime: RuntimeProcess;
  readonly app: AppProcess;
  readonly #kind: ReplicaKind;
  readonly #clockFile: string | undefined;

  private constructor(
    name: string,
    kind: ReplicaKind,
    parts: Pick<Replica, "place" | "runtime" | "app"> & { clockFile: string | undefined },
  ) {
    this.name = name;
    this.#kind = kind;
    this.place = parts.place;
    this.runtime = parts.runtime;
    this.app = parts.app;
    this.#clockFile = parts.clockFile;
  }

  /** `skewed`: its wall clock is wrong by what the file `clock` in its folder says. */
  static async prepare(
    name: string,
    kind: ReplicaKind,
    options: { readonly folder: string; readonly place?: Place; readonly skewed?: boolean },
  ): Promise<Replica> {
    const { place = localPlace, skewed = false } = options;
    const folder = join(options.folder, name);
    mkdirSync(folder, { recursive: true });
    const runtime = await RuntimeProcess.prepare(
      folder,
      { app: undefined, protocol: "grpc" },
      place,
    );
    const components = kind.components(name);
    runtime.configure(...components);
    const app = new AppProcess({
      ...{ mode: "stream", port: runtime.grpcPort, folder, place },
      bindings: components.map((component) => component.name),
    });
    const clockFile = skewed ? clockFileIn(folder) : undefined;
    return new Replica(name, kind, { place, runtime, app, clockFile });
  }

  /** Starts both; resolves once the runtime has tried every component. */
  async start(): Promise<void> {
    await Promise.all([this.startRuntime(), this.app.gone ? this.app.start() : undefined]);
  }

  async startRuntime(): Promise<void> {
    await this.runtime.start({
      clockFile: this.#clockFile,
      arguments: [
        ...["--store", this.#kind.storeUrl, "--replica-id", this.name],
        ...(this.#kind.arguments ?? []),
      ],
    });
  }

  /** Ends both, the runtime in order; resolves to how it ended. */
  async end(): Promise<string> {
    const how = this.runtime.gone ? "was gone before" : await this.runtime.end();
    await this.app.kill();
    return how;
  }

  async kill(): Promise<void> {
    this.runtime.signal("SIGKILL");
    await this.app.kill();
    await this.runtime.ended;
  }

  /** What its app did so far. */
  records(): readonly Record[] {
    return this.app.records();
  }
}
