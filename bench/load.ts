// The load in a process of its own: 64 calls in flight until `calls` are answered. Its one argument is
// a JSON object; it ends with 1 when a call fails.
import { Agent, request } from "node:http";
import { connect, type ClientHttp2Session } from "node:http2";
import { grpcBody, httpBody, invokeBindingPath } from "./request.ts";

/** What is called, and how often. */
export type Load = {
  readonly protocol: "grpc" | "http";
  readonly port: number;
  readonly component: string;
  readonly calls: number;
};

/** Calls that are under way at one time. */
export const inFlight = 64;

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? "") as Load);

async function run({ protocol, port, component, calls }: Load): Promise<void> {
  let left = calls;
  const repeat = async (call: () => Promise<void>): Promise<void> => {
    while (left-- > 0) await call();
  };
  const workers = (call: () => Promise<void>): Promise<unknown> =>
    Promise.all(Array.from({ length: Math.min(inFlight, calls) }, () => repeat(call)));
  if (protocol === "grpc") {
    const session = connect(`http://127.0.0.1:${port}`);
    const body = grpcBody(component);
    await workers(() => callGrpc(session, body));
    session.close();
  } else {
    const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
    const body = httpBody();
    await workers(() => callHttp(agent, port, component, body));
    agent.destroy();
  }
}

function callGrpc(session: ClientHttp2Session, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": invokeBindingPath,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: unknown;
    let message: unknown;
    const note = (headers: Record<string, unknown>): void => {
      status ??= headers["grpc-status"];
      message ??= headers["grpc-message"];
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("error", reject);
    stream.on("close", () => {
      if (status === "0") resolve();
      else reject(new Error(`grpc-status ${String(status)}: ${String(message)}`));
    });
    stream.resume();
    stream.end(body);
  });
}

function callHttp(agent: Agent, port: number, component: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        agent,
        host: "127.0.0.1",
        port,
        method: "POST",
        path: `/v1.0/bindings/${component}`,
        headers: { "content-type": "application/json", "content-length": body.length },
      },
      (response) => {
        const { statusCode = 0 } = response;
        response.resume();
        response.on("error", reject);
        response.on("end", () => {
          if (statusCode < 300) resolve();
          else reject(new Error(`HTTP ${statusCode}`));
        });
      },
    );
    call.on("error", reject);
    call.end(body);
  });
}
