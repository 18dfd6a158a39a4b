import { BindingError, messageOf } from "../errors.ts";
import { type EndpointAddress, formatAddress } from "../grpc/endpoint.ts";

export type ListenPlace = EndpointAddress & {
  /** The flag that says the port or the folder of the socket, and the one that says the host; for errors. */
  readonly flags?: { readonly place: string; readonly host?: string };
};

/** What the system says of a socket's path that is longer than its 107 bytes, depending on the system. */
const tooLong: ReadonlySet<string> = new Set(["EINVAL", "ENAMETOOLONG"]);
const longestSocketPath = 107;
const lowestFreePort = 1024;

/** Why a server cannot listen, with what to do. */
export function listenFailure(place: ListenPlace, error: unknown): BindingError {
  const advice = "socket" in place ? adviceOnSocket(place, error) : adviceOnPort(place, error);
  const name = "socket" in place ? place.socket : formatAddress(place);
  const text = `cannot listen on ${name}: ${advice}`;
  return new BindingError("unavailable", text, { cause: error });
}

function adviceOnPort(
  { host, port, flags }: Extract<ListenPlace, { host: string }>,
  error: unknown,
): string {
  const otherPort = `choose another port${flags === undefined ? "" : ` by ${flags.place}`}`;
  const otherHost = `choose another address${flags?.host === undefined ? "" : ` by ${flags.host}`}`;
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return `another process listens there; end it, or ${otherPort}`;
    case "EACCES":
      return port < lowestFreePort
        ? `this process has no right to a port below ${lowestFreePort}; ${otherPort}`
        : `this process has no right to it; ${otherPort}`;
    case "EADDRNOTAVAIL":
      return `this machine has no address ${host}; ${otherHost}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `no address of the name ${host} was found; ${otherHost}`;
    default:
      return `${messageOf(error)}; ${otherPort}`;
  }
}

function adviceOnSocket(
  { socket, flags }: Extract<ListenPlace, { socket: string }>,
  error: unknown,
): string {
  const other = `choose another folder${flags === undefined ? "" : ` by ${flags.place}`}`;
  const code = codeOf(error);
  if (code === "EADDRINUSE") return `another process listens there; end it, or ${other}`;
  const length = Buffer.byteLength(socket);
  if (tooLong.has(code) && length > longestSocketPath) {
    return `its path has ${length} bytes, and a socket's may have ${longestSocketPath}; ${other}`;
  }
  return `${messageOf(error)}; ${other}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
