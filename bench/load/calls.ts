import { Agent, request } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";

/** Where a call goes and what it carries. */
export type Target = {
  readonly protocol: "grpc" | "http";
  readonly port: number;
  readonly path: string;
  readonly body: Buffer;
};

/** Makes one call at a time or many; resolves to the answer's body once it succeeded. */
export type Caller = Disposable & { call(): Promise<Buffer> };

/** A caller on `node:http2` for gRPC, on `node:http` else. */
export function createCaller(target: Target): Caller {
  if (target.protocol === "grpc") {
    const session = connect(`http://127.0.0.1:${target.port}`);
    session.on("error", () => {});
    return { call: () => callGrpc(session, target), [Symbol.dispose]: () => session.close() };
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  return { call: () => callHttp(agent, target), [Symbol.dispose]: () => agent.destroy() };
}

function callGrpc(session: ClientHttp2Session, { path, body }: Target): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let status: unknown;
    let message: unknown;
    const note = (headers: Record<string, unknown>): void => {
      status ??= headers["grpc-status"];
      message ??= headers["grpc-message"];
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("error", reject);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("close", () => {
      if (status === "0") resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      else reject(new Error(`${path}: grpc-status ${String(status)}: ${String(message)}`));
    });
    stream.end(body);
  });
}

function callHttp(agent: Agent, { port, path, body }: Target): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": body.length };
    const call = request(
      { agent, host: "127.0.0.1", port, method: "POST", path, headers },
      (response) => {
        const { statusCode = 0 } = response;
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const answer = Buffer.concat(chunks);
          if (statusCode < 300) resolve(answer);
          else reject(new Error(`${path}: HTTP ${statusCode}: ${answer.toString()}`));
        });
      },
    );
    call.on("error", reject);
    call.end(body);
  });
}
