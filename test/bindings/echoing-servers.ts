import { createServer as createHttp2Server } from "node:http2";
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from "node:net";
import type { IncomingHttpHeaders } from "node:http";
import { generate, parser } from "mqtt-packet";
import type { ServerHttp2Stream } from "node:http2";
import { onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { listen, startLoopback } from "./http/loopback-server.ts";

/** Writes what a server was sent, as it echoes it. */
export type Spelling = (text: string) => string;

/** A server that refuses every login, and says what it was sent. */
export type EchoingServer = {
  readonly host: string;
  readonly port: number;
  /** What it has said of what it was sent. */
  readonly echoed: string[];
};

/** Whether a text is worth an echo. */
type Wanted = (text: string) => boolean;

export async function echoingHttp(
  wanted: Wanted,
  spelling: Spelling,
  // Where a service reads its message, for those that read it elsewhere.
  more: (said: string) => object = () => ({}),
): Promise<EchoingServer> {
  const echoed: string[] = [];
  const server = await startLoopback(({ headers, body }, response) => {
    const said = piecesOf(headers, body.toString()).filter(wanted).map(spelling).join(" ");
    echoed.push(said);
    const answer = { error: said, message: said, Error: { Message: said }, ...more(said) };
    // What no header can carry comes in the body alone.
    const header = /^[\x20-\x7e]*$/.test(said) ? { "x-echo": said } : {};
    response.writeHead(401, { "content-type": "application/json", ...header });
    response.end(JSON.stringify(answer));
  });
  onTestFinished(async () => server[Symbol.asyncDispose]());
  return { host: "127.0.0.1", port: server.port, echoed };
}

/** Refuses each call of gRPC with the request metadata that it was sent. */
export async function echoingGrpc(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  const echoed: string[] = [];
  const create = (): Server => {
    const server = createHttp2Server();
    server.on("stream", (stream: ServerHttp2Stream, headers) => {
      const said = Object.values(headers).map(String).filter(wanted).map(spelling).join(" ");
      echoed.push(said);
      const status = { "grpc-status": "7", "grpc-message": encodeURIComponent(said) };
      const answer = { ":status": 200, "content-type": "application/grpc", "x-echo": said };
      stream.respond({ ...answer, ...status }, { endStream: true });
    });
    return server;
  };
  const server = await startLoopback(undefined, create);
  onTestFinished(async () => server[Symbol.asyncDispose]());
  return { host: "127.0.0.1", port: server.port, echoed };
}

function piecesOf(headers: IncomingHttpHeaders, body: string): string[] {
  const { authorization = "", ...rest } = headers;
  const basic = /^Basic (.*)$/.exec(authorization)?.[1];
  const login = basic === undefined ? authorization : Buffer.from(basic, "base64").toString();
  const form = headers["content-type"]?.includes("urlencoded") ? new URLSearchParams(body) : [];
  return [login, ...Object.values(rest).map(String), ...[...form].map(([, value]) => value)];
}

/** Speaks RESP: each command is an error that repeats its arguments. */
export function echoingRedis(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  return echoing((socket, echo) => {
    socket.on("data", (data: Buffer) => {
      for (const command of data.toString().split(/(?=\*\d+\r\n\$)/)) {
        const words = command
          .split("\r\n")
          .filter((word) => word !== "" && !/^[*$]\d+$/.test(word));
        socket.write(`-WRONGPASS no such user: ${echo(words.filter(wanted).map(spelling))}\r\n`);
      }
    });
  });
}

/** Speaks IMAP: refuses each log-in with the user and the password that it was sent. */
export function echoingImap(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  return echoing((socket, echo) => {
    let asked: string | undefined;
    socket.write("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=OAUTHBEARER] ready\r\n");
    socket.on("data", (data: Buffer) => {
      for (const line of data.toString().trim().split("\r\n")) {
        const [tag = "", command = ""] = line.split(" ");
        if (asked !== undefined) {
          const words = Buffer.from(line, "base64")
            .toString()
            .replaceAll("\u0001", "\0")
            .split("\0")
            .filter(wanted);
          socket.write(`${asked} NO [AUTHENTICATIONFAILED] ${echo(words.map(spelling))}\r\n`);
          asked = undefined;
        } else if (/^AUTHENTICATE$/i.test(command)) {
          asked = tag;
          socket.write("+ \r\n");
        } else socket.write(`${tag} OK done\r\n`);
      }
    });
  });
}

/** Speaks NATS: greets, and refuses the login with what it was sent. */
export function echoingNats(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  return echoing((socket, echo) => {
    const info = {
      server_id: "echo",
      nonce: "n0nce-of-this-connection",
      version: "2.10.0",
      proto: 1,
      max_payload: 1024,
      headers: true,
    };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on("data", (data: Buffer) => {
      const [, json] = /^CONNECT (.*)\r$/m.exec(data.toString()) ?? [];
      if (json === undefined) return;
      const sent = Object.values(JSON.parse(json) as Record<string, unknown>).map(String);
      const said = echo(sent.filter(wanted).map(spelling));
      socket.end(`-ERR 'Authorization Violation ${said}'\r\n`);
    });
  });
}

/** Speaks PostgreSQL's protocol: asks for the password in clear, and refuses it with what it was sent. */
export function echoingPostgres(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  return echoing((socket, echo) => {
    socket.on("data", (data: Buffer) => {
      const isPassword = data[0] === 0x70;
      // A request for TLS has no more than its code.
      if (data.length === 8) return socket.write("N");
      if (!isPassword) return socket.write(Buffer.of(0x52, 0, 0, 0, 8, 0, 0, 0, 3));
      const text = echo([data.subarray(5, -1).toString()].filter(wanted).map(spelling));
      const fields = Buffer.from(`SFATAL\0VFATAL\0C28P01\0Mnot with ${text}\0\0`);
      return socket.end(Buffer.concat([Buffer.from("E"), uint32(fields.length + 4), fields]));
    });
  });
}

/** Speaks SMTP: refuses the log-in, with what it was sent. */
export function echoingSmtp(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  return echoing((socket, echo) => {
    socket.write("220 mail\r\n");
    socket.on("data", (data: Buffer) => {
      const [command = "", ...words] = data.toString().trim().split(" ");
      if (command === "EHLO") return socket.write("250-mail\r\n250 AUTH PLAIN\r\n");
      const sent = Buffer.from(words.at(-1) ?? "", "base64")
        .toString()
        .split("\0");
      return socket.write(`535 ${echo(sent.filter(wanted).map(spelling))}\r\n`);
    });
  });
}

/** Speaks AMQP 0.9.1: closes the connection at the login, with its text. */
export function echoingAmqp(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  const method = (...parts: Buffer[]): Buffer => {
    const payload = Buffer.concat(parts);
    const head = Buffer.alloc(7);
    head.writeUInt8(1);
    head.writeUInt32BE(payload.length, 3);
    return Buffer.concat([head, payload, Buffer.of(0xce)]);
  };
  const long = (text: string): Buffer => Buffer.concat([uint32(text.length), Buffer.from(text)]);
  return echoing((socket, echo) => {
    socket.once("data", () => {
      const start = Buffer.of(0, 10, 0, 10, 0, 9, 0, 0, 0, 0);
      socket.write(method(start, long("PLAIN"), long("en_US")));
      socket.once("data", (data: Buffer) => {
        const words = data.toString().split("\0").map(trimmed).filter(wanted);
        const text = Buffer.from(`ACCESS_REFUSED ${echo(words.map(spelling))}`);
        const close = Buffer.of(0, 10, 0, 50, 0x01, 0x93, text.length);
        socket.write(method(close, text, Buffer.of(0, 0, 0, 0)));
      });
    });
  });
}

/** A long text of AMQP ends where the length of the next begins. */
function trimmed(word: string): string {
  return word.split("\u0005en_US")[0] ?? "";
}

/** Speaks Kafka's protocol as far as the login, and refuses it with a text. */
export function echoingKafka(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  const string = (text: string): Buffer =>
    Buffer.concat([uint16(Buffer.byteLength(text)), Buffer.from(text)]);
  return echoing((socket, echo) => {
    let held = Buffer.alloc(0);
    const answers: Readonly<Record<number, (request: Buffer) => Buffer>> = {
      // SaslHandshake
      17: () => Buffer.concat([uint16(0), uint32(2), string("PLAIN"), string("OAUTHBEARER")]),
      // ApiVersions
      18: () => {
        const apis = [3, 17, 18, 36].map((key) => Buffer.concat([key, 0, 1].map(uint16)));
        return Buffer.concat([uint16(0), uint32(apis.length), ...apis, uint32(0)]);
      },
      // SaslAuthenticate
      36: (request) => {
        const words = request
          .toString()
          .split(/\p{Cc}/u)
          .filter(wanted)
          .map(spelling);
        return Buffer.concat([
          ...[uint16(58), string(`refused: ${echo(words)}`), uint32(0), Buffer.alloc(8)],
        ]);
      },
    };
    socket.on("data", (data: Buffer) => {
      held = Buffer.concat([held, data]);
      while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
        const request = held.subarray(4, 4 + held.readUInt32BE());
        held = held.subarray(4 + request.length);
        const answer = answers[request.readUInt16BE()]?.(request.subarray(8));
        if (answer === undefined) return socket.destroy();
        socket.write(Buffer.concat([uint32(4 + answer.length), request.subarray(4, 8), answer]));
      }
      return undefined;
    });
  });
}

/** Speaks MQTT 3.1.1, which has no text for a refusal. */
export function refusingMqtt(): Promise<EchoingServer> {
  return echoing((socket, echo) => {
    socket.once("data", () => {
      echo(["return code 5"]);
      socket.end(Buffer.of(0x20, 2, 0, 5));
    });
  });
}

/** Speaks MQTT 5: refuses the login, and says in its own words what it was sent. */
export function echoingMqtt5(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  return echoing((socket, echo) => {
    const reading = parser();
    reading.on("packet", (packet) => {
      if (packet.cmd !== "connect") return;
      const words = [packet.username ?? "", packet.password?.toString() ?? ""].filter(wanted);
      const properties = { reasonString: `refused: ${echo(words.map(spelling))}` };
      const answer = { cmd: "connack", sessionPresent: false, reasonCode: 0x86 } as const;
      socket.end(generate({ ...answer, properties }, { protocolVersion: 5 }));
    });
    socket.on("data", (piece: Buffer) => reading.parse(piece));
  });
}

/** Closes each WebSocket with what it was sent first. */
export async function echoingWebSocket(wanted: Wanted, spelling: Spelling): Promise<EchoingServer> {
  const echoed: string[] = [];
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  server.on("connection", (client) => {
    client.on("error", () => undefined);
    client.on("message", (data) => {
      const said = [(data as Buffer).toString()].filter(wanted).map(spelling).join(" ");
      echoed.push(said);
      client.close(1008, said);
    });
  });
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port, echoed };
}

async function echoing(
  serve: (socket: Socket, echo: (words: readonly string[]) => string) => void,
): Promise<EchoingServer> {
  const echoed: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket, (words) => {
      const said = words.join(" ");
      echoed.push(said);
      return said;
    });
  });
  const port = await listen(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: "127.0.0.1", port, echoed };
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
