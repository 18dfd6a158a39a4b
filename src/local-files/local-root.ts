import { resolve } from "node:path";
import { BindingError } from "../errors.ts";
import type { MemoryShare } from "../memory/budget.ts";
import { createFile, readParts, readWhole, type Content } from "./files.ts";
import { locate, type Root } from "./locate.ts";
import { prepareRoot } from "./root-path.ts";

/**
 * The folder of this machine that calls of a component may name files in. Without one every such call is refused: it
 * would read or write whatever the process can.
 */
export class LocalRoot {
  readonly #root: Root | undefined;
  readonly #memory: MemoryShare;

  private constructor(root: Root | undefined, memory: MemoryShare) {
    this.#root = root;
    this.#memory = memory;
  }

  /** Makes the folder ready, which is created if missing, unless `make` is false. Rejects with a `BindingError`. */
  static async open(
    path: string | undefined,
    memory: MemoryShare,
    make = true,
  ): Promise<LocalRoot> {
    if (!path) return new LocalRoot(undefined, memory);
    const real = await prepareRoot(path, "localRoot", make);
    const root = { path: real, configuredPath: resolve(path) };
    return new LocalRoot(root, memory);
  }

  /**
   * The path of a file that a call names; it lies in the folder whatever the name says: `..` goes no further up, an
   * absolute name is one inside the folder, or begins there, and no link leads out. `field`: where the call names it, for
   * the message of the `BindingError`.
   */
  async locate(field: string, name: string): Promise<string> {
    if (this.#root === undefined) {
      throw new BindingError(
        "failed_precondition",
        `${field} names a file of this machine, and the component has no localRoot; set localRoot to the folder that calls may use`,
      );
    }
    return locate(this.#root, name);
  }

  /** A file whole, if the memory has room for it. */
  async read(field: string, name: string): Promise<Buffer> {
    return readWhole(await this.locate(field, name), this.#memory);
  }

  /** A file part by part. */
  async *parts(field: string, name: string): AsyncGenerator<Uint8Array> {
    yield* readParts(await this.locate(field, name));
  }

  /** Writes a file with the folders above it: the whole content, or after a failure nothing. Resolves to its path. */
  async create(field: string, name: string, content: Content): Promise<string> {
    const path = await this.locate(field, name);
    await createFile(path, content);
    return path;
  }
}
