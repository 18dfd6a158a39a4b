import { connect } from "node:net";
import { delay } from "../../delay.ts";
import { BindingError } from "../../errors.ts";
import type { SocketsFolder } from "../sockets-folder.ts";

/** How often it is looked whether a socket has come, in milliseconds. */
const lookAgainAfter = 200;
/** How long that goes on before the state is told again, in milliseconds. */
const longestWait = 15_000;

/**
 * Finds the sockets of components that may come late, and come again. The first look at one that is not there fails at
 * once, so that nobody waits for it and its component's state says so; later ones wait for it.
 */
export class SocketWait {
  readonly #folder: SocketsFolder;
  readonly #missing: (type: string) => BindingError;
  /** The components, by name, that were told that theirs is not there. */
  readonly #told = new Set<string>();

  /** `missing`: the failure where there is no socket of the type. */
  constructor(folder: SocketsFolder, missing: (type: string) => BindingError) {
    this.#folder = folder;
    this.#missing = missing;
  }

  /** The path of a socket on which somebody listens. Throws a `BindingError`. */
  async find(type: string, component: string, signal: AbortSignal): Promise<string> {
    const until = this.#told.has(component) ? performance.now() + longestWait : 0;
    for (;;) {
      const failure = await this.#look(type);
      if (typeof failure === "string") {
        this.#told.delete(component);
        return failure;
      }
      this.#told.add(component);
      if (performance.now() >= until || signal.aborted) throw failure;
      await delay(lookAgainAfter, signal);
    }
  }

  async #look(type: string): Promise<string | BindingError> {
    const path = this.#folder.find(type);
    if (path === undefined) return this.#missing(type);
    const failure = await connectFailure(path);
    if (failure === undefined) return path;
    const why = failure.code === "ECONNREFUSED" ? "nobody listens on it" : failure.message;
    return new BindingError("unavailable", `waiting for socket ${path}: ${why}`, {
      effect: "unsent",
      systemCode: failure.code,
    });
  }
}

function connectFailure(path: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error));
  });
}
