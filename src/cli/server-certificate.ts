import { isDeepStrictEqual } from "node:util";
import { messageOf } from "../errors.ts";
import { ResourceWatcher } from "../resources/watch.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { readTls, type ReadTls, type TlsFiles, type TlsMaterial } from "../server/tls-files.ts";

/** Certificate and key are two files, and are seldom replaced in the same moment. Milliseconds. */
const settling = 1000;

/** The certificate of the ports: read at the start, and again when one of its files changes. */
export class ServerCertificate {
  readonly #files: TlsFiles;
  readonly #logger: RuntimeLogger;
  #material: TlsMaterial;
  #watcher: ResourceWatcher | undefined;
  #onNew: (material: TlsMaterial) => void = () => {};
  #reloading: Promise<void> = Promise.resolve();

  private constructor(files: TlsFiles, logger: RuntimeLogger, read: ReadTls) {
    this.#files = files;
    this.#logger = logger;
    this.#material = read.material;
  }

  /** Rejects with a `BindingError` that names the flag and the file when they cannot be used. */
  static async load(files: TlsFiles, logger: RuntimeLogger): Promise<ServerCertificate> {
    const read = await readTls(files);
    const problem = timeProblem(read);
    // Its clients may not look, and without it there would be no port at all.
    if (problem !== undefined) logger.warn({}, `--tls-cert ${files.cert} ${problem}`);
    return new ServerCertificate(files, logger, read);
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  /** Hands over what the files hold whenever that is another pair that can be used. */
  async watch(onNew: (material: TlsMaterial) => void): Promise<void> {
    this.#onNew = onNew;
    const { cert, key, passphrase } = this.#files;
    const paths = [cert, key, ...(passphrase === undefined ? [] : [passphrase])];
    this.#watcher = new ResourceWatcher({
      paths: () => paths.map((path) => ({ path, holds: "secrets" })),
      onChange: () => void this.reload(settling),
      logger: this.#logger,
    });
    await this.#watcher.start();
    // It may have changed since it was read.
    await this.reload(settling);
  }

  /**
   * Reads the files again, a second time after so many milliseconds when they cannot be used. Never rejects: what is
   * wrong is logged, and the certificate in use stays.
   */
  reload(again = 0): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload(again));
    return this.#reloading;
  }

  close(): void {
    this.#watcher?.close();
  }

  async #reload(again: number): Promise<void> {
    try {
      const read = await readTls(this.#files);
      if (isDeepStrictEqual(read.material, this.#material)) return;
      const problem = timeProblem(read);
      if (problem !== undefined) throw new Error(`--tls-cert ${this.#files.cert} ${problem}`);
      this.#onNew(read.material);
      this.#material = read.material;
      const facts = { file: this.#files.cert, until: read.to.toISOString() };
      this.#logger.info(facts, "a new certificate is in use for new connections");
    } catch (error) {
      if (again > 0) {
        await new Promise((resolve) => setTimeout(resolve, again).unref());
        return this.#reload(0);
      }
      this.#logger.error(
        { reason: messageOf(error) },
        "the new certificate cannot be used; the old one stays in use",
      );
    }
  }
}

function timeProblem({ from, to }: ReadTls): string | undefined {
  const now = Date.now();
  if (to.getTime() < now) return `expired at ${to.toISOString()}`;
  if (from.getTime() > now) return `is not valid before ${from.toISOString()}`;
  return undefined;
}
