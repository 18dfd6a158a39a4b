import net from "node:net";
import tls from "node:tls";
import { type CallFailure, GrpcClient } from "../grpc/client.ts";
import type { AppProtocol } from "./app-protocol.ts";

type Target = { readonly host: string; readonly port: number };

/** How long each question may take, in milliseconds. */
const longestAnswer = 2_000;
const enoughOfAnAnswer = "HTTP/1.1 200".length;
/** What servers answer that were asked in the wrong protocol, and have noticed. */
const refusals: ReadonlySet<number> = new Set([400, 426, 505]);

export type SpokenProtocols = {
  /** Recognised, the likeliest first. Empty: nobody listens, or it is none of them. */
  readonly spoken: readonly AppProtocol[];
  /** Those of which nothing is known: it took a question, and was silent. It may be slow. */
  readonly possible: readonly AppProtocol[];
};

/** The protocols by which whoever listens there can be reached, as far as its first bytes tell. Never rejects. */
export async function spokenProtocols(target: Target): Promise<SpokenProtocols> {
  const [plain, secure] = await Promise.all([askPlain(target), askSecure(target)]);
  const isHttp2 = plain.http2 !== undefined || secure.http2 !== undefined;
  const isElse = isHttp2 || typeof secure.http1 === "number";
  const spoken: AppProtocol[] = [];
  if (takesGrpc(secure.http2)) spoken.push("grpcs");
  if (takesGrpc(plain.http2)) spoken.push("grpc");
  if (takesHttp1(secure.http1, isHttp2)) spoken.push("https");
  if (takesHttp1(plain.http1, isElse)) spoken.push("http");
  if (plain.http2 === "no gRPC" || plain.http2 === "unknown") spoken.push("h2c");
  const possible: AppProtocol[] = [];
  if (secure.http1 === "silent") possible.push("https");
  if (plain.http1 === "silent") possible.push("http");
  return { spoken, possible };
}

/** What it answers over a connection, with TLS or without. */
type Answers = {
  /** The status of an answer in HTTP/1; `silent`: it took the request, and no byte came. */
  readonly http1: number | "silent" | undefined;
  readonly http2: Http2Answer | undefined;
};

/** `unknown`: it speaks HTTP/2, and has not answered. */
type Http2Answer = "gRPC" | "no gRPC" | "unknown";

function takesHttp1(answer: Answers["http1"], speaksElse: boolean): boolean {
  if (typeof answer !== "number") return false;
  return !(refusals.has(answer) && speaksElse);
}

function takesGrpc(answer: Http2Answer | undefined): boolean {
  return answer === "gRPC" || answer === "unknown";
}

async function askPlain(target: Target): Promise<Answers> {
  const [http1, http2] = await Promise.all([
    askHttp1(target, net.connect(target), "connect"),
    askHttp2(target, false),
  ]);
  return { http1, http2 };
}

async function askSecure(target: Target): Promise<Answers> {
  const secure = { ...target, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
  const [http1, http2] = await Promise.all([
    askHttp1(target, tls.connect(secure), "secureConnect"),
    askHttp2(target, true),
  ]);
  return { http1, http2 };
}

function askHttp1(
  { host, port }: Target,
  socket: net.Socket,
  connected: "connect" | "secureConnect",
): Promise<Answers["http1"]> {
  return new Promise((resolve) => {
    let answer = "";
    let isAsked = false;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      socket.destroy();
    }, longestAnswer).unref();
    const authority = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
    socket.unref();
    socket.on(connected, () => {
      isAsked = true;
      const head = ["OPTIONS / HTTP/1.1", `host: ${authority}`, "user-agent: cufflink"];
      socket.write(`${[...head, "connection: close"].join("\r\n")}\r\n\r\n`);
    });
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      if (answer.length >= enoughOfAnAnswer) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      const status = /^HTTP\/1\.\d (\d{3})/.exec(answer)?.[1];
      if (status !== undefined) resolve(Number(status));
      else resolve(isAsked && isLate && answer === "" ? "silent" : undefined);
    });
  });
}

async function askHttp2(target: Target, secure: boolean): Promise<Http2Answer | undefined> {
  const client = new GrpcClient({
    ...target,
    tls: secure ? { verify: false } : undefined,
    connectTimeout: longestAnswer,
    lazy: true,
  });
  const options = { timeout: longestAnswer, waitForConnection: true };
  const result = await client.unary("/grpc.health.v1.Health/Check", new Uint8Array(0), options);
  const { generation } = client.connection;
  await client.close();
  if (result.kind === "ok") return "gRPC";
  if (result.kind === "failed") return isGrpc(result.failure) ? "gRPC" : "no gRPC";
  return generation > 0 ? "unknown" : undefined;
}

/** Whether an answer of HTTP/2 is one of gRPC, whatever it says. */
function isGrpc({ headers, trailers }: CallFailure): boolean {
  const type = headers["content-type"] ?? trailers["content-type"] ?? "";
  return String(type).startsWith("application/grpc");
}
