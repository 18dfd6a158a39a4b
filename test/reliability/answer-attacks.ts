// What others can make a daemon hold by their answers: an app's, and those of a server that the `http` output calls.
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import type { Server } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { Writable } from "node:stream";
import { startDaemon, type Daemon } from "../e2e/daemon.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";

export type Measured = {
  /** Resident memory in MiB: before the attack, the highest meanwhile, and once it is over. */
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  /** The most connections to the server at one time. */
  readonly connections: number;
  /** The slowest answer of the health check meanwhile, in milliseconds. */
  readonly slowestHealth: number;
};

export type Attack = {
  readonly name: string;
  readonly title: string;
  /** Puts a daemon under attack until the signal is aborted. */
  begin(size: Size): Promise<Target>;
};

type Size = {
  /** Of one answer, in bytes. */
  readonly answer: number;
  /** How many there are at one time. */
  readonly atOneTime: number;
  readonly flags: readonly string[];
};

type Target = AsyncDisposable & {
  readonly daemon: Daemon;
  readonly connections: () => number;
  /** Does the harm until the signal is aborted; resolves once nobody is left. */
  harm(signal: AbortSignal): Promise<void>;
};

const part = Buffer.alloc(256 * 1024, "x");

/** Writes so many bytes, as fast as they are taken. */
function pour(to: Writable, bytes: number): void {
  let left = bytes;
  const write = (): void => {
    while (left > 0 && !to.destroyed) {
      left -= part.length;
      if (!to.write(part)) return;
    }
    to.off("drain", write);
    if (!to.destroyed) to.end();
  };
  to.on("drain", write);
  to.on("error", () => undefined);
  write();
}

type Peer = AsyncDisposable & {
  readonly port: number;
  readonly most: () => number;
};

async function listen(server: Server): Promise<Peer> {
  const sockets = new Set<Socket>();
  let most = 0;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    most = Math.max(most, sockets.size);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 16_384, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    most: () => most,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** An app on this protocol that wants every input, and answers an event with so many bytes. */
function appServer(protocol: "http" | "h2c" | "grpc", answer: number): Server {
  if (protocol === "http") {
    return http.createServer((request, response) => {
      request.resume();
      response.on("error", () => undefined);
      if (request.method !== "POST") response.end();
      else pour(response, answer);
    });
  }
  return http2.createServer().on("stream", (stream: http2.ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    stream.resume();
    if (protocol === "h2c") {
      stream.respond({ ":status": 200 });
      if (headers[":method"] === "POST") pour(stream, answer);
      else stream.end();
      return;
    }
    const content = { ":status": 200, "content-type": "application/grpc" };
    if (headers[":path"]?.endsWith("/OnBindingEvent") !== true) {
      stream.respond({ ...content, "grpc-status": "12" }, { endStream: true });
      return;
    }
    stream.respond(content);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(answer, 1);
    stream.write(prefix);
    pour(stream, answer);
  });
}

function appAttack(protocol: "http" | "h2c" | "grpc", title: string): Attack {
  return {
    name: `app-${protocol}`,
    title: `answers of an app over ${title}`,
    async begin({ answer, atOneTime, flags }) {
      const peer = await listen(appServer(protocol, answer));
      const webhookPort = await reservePort();
      const daemon = await startDaemon({
        components: [
          {
            name: "hook",
            type: "bindings.webhook",
            metadata: {
              address: `127.0.0.1:${webhookPort}`,
              path: "/hook",
              direction: "input",
              // An event is attempted twice, and then it is over.
              backOffPolicy: "constant",
              backOffDuration: "100ms",
              backOffMaxRetries: "1",
              onExhausted: "drop",
            },
          },
        ],
        flags: [
          ...["--app-port", String(peer.port), "--app-protocol", protocol, "--log-level", "error"],
          ...flags,
        ],
      });
      const post = (signal: AbortSignal) =>
        fetch(`http://127.0.0.1:${webhookPort}/hook`, { method: "POST", body: "event", signal });
      return {
        daemon,
        connections: peer.most,
        async harm(signal) {
          await Promise.all(
            Array.from({ length: atOneTime }, async () => {
              while (!signal.aborted) {
                const answered = await post(signal).catch(() => undefined);
                await answered?.body?.cancel();
              }
            }),
          );
        },
        async [Symbol.asyncDispose]() {
          await daemon[Symbol.asyncDispose]();
          await peer[Symbol.asyncDispose]();
        },
      };
    },
  };
}

const outputAttack: Attack = {
  name: "output-http",
  title: "answers to the `http` output",
  async begin({ answer, atOneTime, flags }) {
    const peer = await listen(
      http.createServer((request, response) => {
        request.resume();
        pour(response, answer);
      }),
    );
    const url = `http://127.0.0.1:${peer.port}`;
    const daemon = await startDaemon({
      components: [{ name: "web", type: "bindings.http", metadata: { url } }],
      flags: ["--log-level", "error", ...flags],
    });
    const agent = new http.Agent({ keepAlive: true, maxSockets: atOneTime });
    return {
      daemon,
      connections: peer.most,
      async harm(signal) {
        await Promise.all(
          Array.from({ length: atOneTime }, async () => {
            while (!signal.aborted) await invokeWeb(daemon, agent, signal);
          }),
        );
        agent.destroy();
      },
      async [Symbol.asyncDispose]() {
        await daemon[Symbol.asyncDispose]();
        await peer[Symbol.asyncDispose]();
      },
    };
  },
};

/** Calls the output `web` once, and throws the answer away as it comes. */
function invokeWeb(daemon: Daemon, agent: http.Agent, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const request = http.request(
      `http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/web`,
      { method: "POST", agent, signal },
      (response) => {
        response.resume();
        response.on("error", () => resolve());
        response.on("close", () => resolve());
      },
    );
    request.on("error", () => resolve());
    request.end('{"operation":"get"}');
  });
}

export const attacks: readonly Attack[] = [
  appAttack("http", "HTTP/1.1"),
  appAttack("h2c", "HTTP/2"),
  appAttack("grpc", "gRPC"),
  outputAttack,
];

const mebibyte = 1024 * 1024;

/** Resident memory of a process, in MiB. */
function residentMemory(pid: number): number {
  const [, kibibytes = "0"] =
    /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kibibytes) / 1024);
}

/**
 * Attacks a daemon for so many milliseconds. `rest`: how long it is left alone before its memory is looked at; by default until it
 * is within 64 MiB of what it was, a minute at most.
 */
export async function measure(
  attack: Attack,
  size: Size,
  duration: number,
  rest?: number,
): Promise<Measured> {
  await using target = await attack.begin(size);
  const { daemon } = target;
  const pid = daemon.process.pid ?? 0;
  const health = async (): Promise<number> => {
    const started = performance.now();
    await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/healthz`);
    return performance.now() - started;
  };
  await health();
  const before = residentMemory(pid);
  let peak = before;
  let slowestHealth = 0;
  const over = new AbortController();
  const looking = setInterval(() => (peak = Math.max(peak, residentMemory(pid))), 50);
  const timer = setTimeout(() => over.abort(), duration);
  const asking = (async () => {
    while (!over.signal.aborted) {
      slowestHealth = Math.max(slowestHealth, await health());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  try {
    await Promise.all([target.harm(over.signal), asking]);
  } finally {
    clearTimeout(timer);
    clearInterval(looking);
  }
  if (rest === undefined) {
    const what = (): string => `${residentMemory(pid)} MiB to become ${before} and 64 at most`;
    await until(() => residentMemory(pid) <= before + 64, { what, within: 60_000, every: 200 });
  } else await new Promise((resolve) => setTimeout(resolve, rest));
  const after = residentMemory(pid);
  return { before, peak, after, connections: target.connections(), slowestHealth };
}

/** Answers of so many MiB. */
export function answersOf(
  mebibytes: number,
  atOneTime: number,
  flags: readonly string[] = [],
): Size {
  return { answer: mebibytes * mebibyte, atOneTime, flags };
}
