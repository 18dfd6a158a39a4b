import type { Greeting } from "./answers.ts";
import type { Command } from "./server-process.ts";

/** What the harness must know of one kind of server in order to find, start and ask it. */
export interface ServerKind<
  Options extends object,
  Extras extends object,
  OwnExtras extends object,
> {
  /** As people write it. */
  readonly title: string;
  /** The environment variable that says where one runs already. */
  readonly variable: string;
  /** Loopback ports that one server needs. The first is the one that clients connect to. */
  readonly ports: number;
  /** Milliseconds from start to the first answer, at most, on a machine that is busy. */
  readonly startTimeout: number;
  readonly greeting: Greeting;
  /** What asks it to end. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** Its connections are processes of their own, which are killed, frozen and thawed with it. */
  readonly forks?: true;
  /** A line of its log that must have been printed before it counts as started. */
  readonly startedLine?: RegExp;
  url(host: string, port: number): string;
  /** The address in the environment variable's value. */
  parse(value: string): { host: string; port: number };
  /** Whether all that is needed is on this machine. */
  isInstalled(): boolean;
  /** Puts on this machine what is needed. Rejects with the reason where that cannot be done. */
  install(): Promise<void>;
  /** Writes what the server needs into its folder and says how it is run. The last command is the server itself. */
  prepare(place: Place, options: Options): Promise<readonly Command[]>;
  /** What a handle can do beside having an address. */
  extras(address: Address): Extras;
  /** What only the handle of an own server can do. */
  ownExtras(place: Place): OwnExtras;
}

/** Where one started server lives: its ports on 127.0.0.1 and its folder. */
export interface Place {
  readonly host: string;
  readonly ports: readonly number[];
  readonly folder: string;
}

/** Where clients reach a server. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** In the form that the environment variable has. */
  readonly url: string;
}

/** The port at this place of a `Place`. */
export function portAt({ ports }: Place, index: number): number {
  const port = ports[index];
  if (port === undefined) throw new RangeError(`no port ${index} was reserved`);
  return port;
}

/** Reads `scheme://host:port` with this port where none is given. */
export function parseUrl(value: string, defaultPort: number): { host: string; port: number } {
  const { hostname, port } = new URL(value);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? defaultPort : Number(port) };
}
