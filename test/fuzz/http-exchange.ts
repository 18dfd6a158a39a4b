import { connect } from "node:net";

export type HttpReply = {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
};

/**
 * Writes bytes to a port and resolves to all that came back, once the other side has closed, or after `timeout`
 * milliseconds of silence.
 */
export function exchange(
  port: number,
  parts: readonly Uint8Array[],
  timeout: number,
): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const done = (): void => {
      socket.destroy();
      resolve(Buffer.concat(chunks));
    };
    socket.setTimeout(timeout, done);
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    // A reset is an end like any other to one that sends nonsense.
    socket.on("error", () => undefined);
    socket.on("close", done);
    socket.on("connect", () => {
      for (const part of parts) socket.write(part);
    });
  });
}

/** The final response of bytes that must be exactly one, interim ones before it. Throws for anything else. */
export function oneReply(bytes: Buffer): HttpReply {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) throw new Error(`no whole answer: ${quoted(bytes)}`);
  const head = bytes.toString("latin1", 0, end);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  if (!Number.isInteger(status)) throw new Error(`no status line: ${quoted(bytes)}`);
  const rest = bytes.subarray(end + 4);
  if (status < 200) return oneReply(rest);
  const body = bodyOf(head, rest);
  return { status, head, body };
}

function bodyOf(head: string, rest: Buffer): Buffer {
  const length = /^content-length: *(\d+) *$/im.exec(head)?.[1];
  if (/^transfer-encoding: *chunked/im.test(head)) return unchunked(rest);
  if (length !== undefined && rest.length !== Number(length) && rest.length !== 0)
    throw new Error(`${rest.length} bytes in place of ${length}: ${quoted(rest)}`);
  if (/^HTTP\/1\.1 (?:204|304)/.test(head) && rest.length > 0)
    throw new Error(`a body where none may be: ${quoted(rest)}`);
  return rest;
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, Math.max(line, at)), 16);
    if (line < 0 || !Number.isInteger(size)) throw new Error(`chunks cut short: ${quoted(bytes)}`);
    if (size === 0) {
      // Trailers may follow.
      const end = bytes.indexOf("\r\n\r\n", line);
      if (end + 4 !== bytes.length) throw new Error(`more than one answer: ${quoted(bytes)}`);
      return Buffer.concat(parts);
    }
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 4 + size;
  }
}

function quoted(bytes: Buffer): string {
  return JSON.stringify(bytes.toString("latin1", 0, 500));
}
