import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { SMTPServer } from "smtp-server";
import type { SMTPServerOptions } from "smtp-server";
import { onTestFinished } from "vitest";

/** A mail as the server took it. */
export type Received = {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: Buffer;
  readonly secure: boolean;
  /** As whom it was sent; absent: nobody logged in. */
  readonly user: string | undefined;
  readonly greeting: string;
};

export type MailServer = {
  readonly port: number;
  readonly received: Received[];
  /** How often each method of logging in was tried. */
  readonly logins: { method: string; user: string; password: string }[];
  /** Connections that were made so far. */
  readonly connections: () => number;
};

export const password = "s3cret/p@ss wörd";

/** A real SMTP server of the test's own; without options it offers neither TLS nor a log-in. */
export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const received: Received[] = [];
  const logins: MailServer["logins"] = [];
  let connections = 0;
  const server = new SMTPServer({
    disabledCommands: ["STARTTLS", "AUTH"],
    authOptional: true,
    closeTimeout: 100,
    onConnect(_session, done) {
      connections++;
      done();
    },
    onAuth(auth, _session, done) {
      const user = String(auth.username);
      logins.push({ method: auth.method, user, password: String(auth.password) });
      const isRight =
        auth.method === "CRAM-MD5" ? auth.validatePassword(password) : auth.password === password;
      if (isRight) done(null, { user });
      else done(Object.assign(new Error(`no, not ${auth.password}`), { responseCode: 535 }));
    },
    onData(stream, session, done) {
      void buffer(stream).then((raw) => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw,
          secure: session.secure,
          user: session.user,
          greeting: session.hostNameAppearsAs,
        });
        done();
      }, done);
    },
    ...options,
  });
  server.on("error", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(resolve)));
  const { port } = server.server.address() as AddressInfo;
  return { port, received, logins, connections: () => connections };
}

/** A server that answers each line by the test's word; `undefined`: by silence, `end`: by closing. */
export async function startScripted(
  answer: (line: string, socket: Socket) => string | undefined,
  address = "127.0.0.1",
): Promise<{ port: number; lines: string[]; connections: () => number }> {
  const lines: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => undefined);
    const say = (line: string): void => {
      const text = answer(line, socket);
      if (text === "end") socket.destroy();
      else if (text !== undefined) socket.write(`${text}\r\n`);
    };
    say("");
    let pending = "";
    socket.on("data", (part) => {
      pending += part.toString("latin1");
      for (let at; (at = pending.indexOf("\r\n")) !== -1; pending = pending.slice(at + 2)) {
        const line = pending.slice(0, at);
        lines.push(line);
        say(line);
      }
    });
  });
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, lines, connections: () => connections };
}

/** What a server that takes everything answers; lines of the mail itself get no answer. */
export function usual(): (line: string) => string | undefined {
  let isMail = false;
  return (line) => {
    if (isMail) {
      if (line !== ".") return undefined;
      isMail = false;
      return "250 taken";
    }
    if (line === "") return "220 test";
    if (line === "DATA") isMail = true;
    return line === "DATA" ? "354 go on" : line === "QUIT" ? "221 bye" : "250 ok";
  };
}

/** One part of a mail: its headers, unfolded, and its body, decoded. */
export type Part = {
  readonly header: (name: string) => string | undefined;
  readonly names: readonly string[];
  readonly body: Buffer;
  readonly parts: readonly Part[];
};

export function parseMail(raw: Buffer): Part {
  const text = raw.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const lines = text
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, " ")
    .split("\r\n");
  const header = (name: string): string | undefined =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
      ?.slice(name.length + 1)
      .trim();
  const content = text.slice(end + 4);
  const boundary = /boundary="?([^";]+)"?/.exec(header("content-type") ?? "")?.[1];
  const parts =
    boundary === undefined
      ? []
      : content
          .split(`--${boundary}`)
          .slice(1, -1)
          .map((part) =>
            parseMail(Buffer.from(part.replace(/^\r\n/, "").replace(/\r\n$/, ""), "latin1")),
          );
  const names = lines.map((line) => line.slice(0, line.indexOf(":")));
  return { header, names, body: decode(content, header("content-transfer-encoding")), parts };
}

function decode(content: string, encoding: string | undefined): Buffer {
  if (encoding === "base64") return Buffer.from(content, "base64");
  if (encoding !== "quoted-printable") return Buffer.from(content, "latin1");
  const joined = content.replaceAll(/=\r\n/g, "");
  const plain = joined.replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
  return Buffer.from(plain, "latin1");
}
