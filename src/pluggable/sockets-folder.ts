import { readdirSync, type Dirent } from "node:fs";
import { join, resolve } from "node:path";

/** The environment variable that names the folder, daprd's. */
export const socketsFolderVariable = "DAPR_COMPONENTS_SOCKETS_FOLDER";
const defaultFolder = "/tmp/dapr-components-sockets";

/** The folder in which pluggable components have their sockets. A socket's name without its extension is a type. */
export class SocketsFolder {
  readonly path: string;
  /** The user has named it, and with that what is in it. */
  readonly isNamed: boolean;

  constructor(path: string, isNamed: boolean) {
    this.path = resolve(path);
    this.isNamed = isNamed;
  }

  /** The one that the environment names, else daprd's. */
  static of(env: NodeJS.ProcessEnv): SocketsFolder {
    const named = env[socketsFolderVariable];
    return new SocketsFolder(named || defaultFolder, Boolean(named));
  }

  /** The socket of a type, in any case of its letters: the first by name where several have it. `undefined`: there is none. */
  find(type: string): string | undefined {
    const wanted = type.toLowerCase();
    const found = this.#files()
      .filter((file) => file.isSocket() && withoutExtension(file.name).toLowerCase() === wanted)
      .map(({ name }) => name)
      .toSorted()[0];
    return found === undefined ? undefined : join(this.path, found);
  }

  get exists(): boolean {
    return this.#read() !== undefined;
  }

  /** Whether the type's socket is there, may come, or is not to be expected: nobody has named or made the folder. */
  serves(type: string): "served" | "awaited" | "unlikely" {
    if (this.find(type) !== undefined) return "served";
    return this.isNamed || this.exists ? "awaited" : "unlikely";
  }

  #files(): readonly Dirent[] {
    return this.#read() ?? [];
  }

  #read(): readonly Dirent[] | undefined {
    try {
      return readdirSync(this.path, { withFileTypes: true });
    } catch {
      return undefined;
    }
  }
}

/** As Go's `filepath.Ext` has it: all from the last dot on. */
function withoutExtension(file: string): string {
  const dot = file.lastIndexOf(".");
  return dot < 0 ? file : file.slice(0, dot);
}
