import { defineBinding, type AnyBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { closest } from "../../metadata/suggest.ts";
import type { SocketsFolder } from "../sockets-folder.ts";
import type { PluggableConnection } from "./connection.ts";
import { pluggableFields } from "./fields.ts";
import { Instances } from "./instances.ts";
import { SocketWait } from "./socket-wait.ts";

export type PluggableOptions = {
  readonly folder: SocketsFolder;
  /** The names of the runtime's own bindings, for those who have misspelt one. */
  readonly names: () => readonly string[];
  /** Told once of each socket that is not used, since its type is one of the runtime's own. */
  readonly onShadowed: (type: string, socket: string) => void;
};

/** The types that programs beside the runtime serve by sockets: each that the runtime itself does not have. */
export class PluggableBindings {
  readonly #options: PluggableOptions;
  readonly #made = new Map<string, AnyBinding>();
  readonly #told = new Set<string>();
  readonly #instances = new Instances();
  readonly #wait: SocketWait;

  constructor(options: PluggableOptions) {
    this.#options = options;
    this.#wait = new SocketWait(options.folder, (type) => this.#missing(type));
  }

  /**
   * The binding of a type, by its name without `bindings.`; `own`: the runtime's. As with daprd a socket goes before it,
   * yet only in a folder that the user has named: anybody may make the default one.
   */
  find(name: string, own: AnyBinding | undefined): AnyBinding | undefined {
    if (name === "") return own;
    const { folder, onShadowed } = this.#options;
    if (own !== undefined) {
      const socket = folder.find(name);
      if (socket === undefined) return own;
      if (!folder.isNamed) {
        if (!this.#told.has(name)) onShadowed(name, socket);
        this.#told.add(name);
        return own;
      }
    }
    const key = name.toLowerCase();
    const made = this.#made.get(key) ?? this.#make(name);
    this.#made.set(key, made);
    return made;
  }

  /** Whether a type that the runtime does not have may be meant as it is written. */
  mayServe(name: string): boolean {
    const { folder } = this.#options;
    return folder.isNamed || folder.find(name) !== undefined;
  }

  #missing(type: string): BindingError {
    const { folder, names } = this.#options;
    const meant = closest(
      `bindings.${type}`,
      names().map((name) => `bindings.${name}`),
    );
    const suggestion = meant === undefined ? "" : `; did you mean ${meant}?`;
    if (folder.serves(type) !== "unlikely") {
      const text = `waiting for socket ${folder.path}/${type}.sock, by which a pluggable component serves bindings.${type}`;
      return new BindingError("unavailable", text + suggestion, { effect: "unsent" });
    }
    const text = `couldn't find binding bindings.${type}, and there is no folder ${folder.path} with the socket of a pluggable component`;
    return new BindingError("invalid_argument", text + suggestion, { effect: "unsent" });
  }

  #make(name: string): AnyBinding {
    const reach = { type: name, wait: this.#wait, instances: this.#instances };
    return defineBinding({
      name,
      status: "stable",
      summary: "Is served by a pluggable component.",
      metadata: pluggableFields,

      async open(opening): Promise<PluggableConnection> {
        const { PluggableConnection } = await import("./connection.ts");
        return PluggableConnection.open(opening, reach);
      },

      ping: (connection, signal) => connection.ping(signal),

      offers: ({ offers }) => offers,

      operations: {},

      anyOperation: {
        description: "Hands the call to the component.",
        request: {},
        invoke: (connection, call) => connection.invoke(call),
      },

      guarantee: {
        returned: "is acknowledged with an error; whether it comes again is the component's",
        atLeastOnce:
          "the component keeps an event until it is acknowledged, and delivers it again after an error or a broken stream",
        duplicates: {
          app: "what the app has: `maxInFlight` (64)",
          runtime: "what the component has sent, and was not acknowledged",
          server: "the same, where the component or its socket breaks",
        },
      },

      read: (connection, reading) => connection.read(reading),

      cutCause: () => "the component's process ends; its own log may say why",
    });
  }
}
