import { messageOf } from "../errors.ts";

const dialled: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "connect: connection timed out",
  UND_ERR_CONNECT_TIMEOUT: "i/o timeout",
};

/** What became of a connection, in the words of Go's network library, which Dapr's users see. */
export function connectionText(error: Error): string {
  // Of several addresses of one name the last one's failure counts.
  const last: unknown = error instanceof AggregateError ? error.errors.at(-1) : error;
  const cause = last instanceof Error ? last : error;
  const { code, address, port, hostname } = cause as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
    hostname?: string;
  };
  const why = dialled[code ?? ""];
  if (why !== undefined && address !== undefined && port !== undefined) {
    const host = address.includes(":") ? `[${address}]` : address;
    return `dial tcp ${host}:${port}: ${why}`;
  }
  if (code === "ENOTFOUND" && hostname !== undefined)
    return `dial tcp: lookup ${hostname}: no such host`;
  if (code === "ECONNRESET") return "read: connection reset by peer";
  return wasClosed(cause) ? "EOF" : messageOf(cause);
}

/** Whether the server closed the connection where an answer, or the rest of one, was to come. */
export function wasClosed(error: Error): boolean {
  return (
    "code" in error && error.code === "UND_ERR_SOCKET" && error.message === "other side closed"
  );
}
