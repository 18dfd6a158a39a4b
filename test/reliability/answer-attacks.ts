// What others can make a daemon hold by their answers: an app's, and those of a server that the `http` output calls.
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import type { Server } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { Worker } from "node:worker_threads";
import { until } from "../until.ts";
import { residentOf, type Probed } from "./attack-probe.ts";
import { componentText, prepareRuntime, type Contender, type Runtime } from "./runtime.ts";

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
  /** Begins to serve what the daemon is made to ask for. */
  begin(size: Size): Promise<Target>;
};

export type Size = {
  /** Of one answer, in bytes. */
  readonly answer: number;
  /** How many there are at one time. */
  readonly atOneTime: number;
};

type Target = AsyncDisposable & {
  readonly resources: Readonly<Record<string, string>>;
  readonly app?: { readonly appPort: number; readonly appProtocol: AppProtocol };
  readonly connections: () => number;
  /** Does the harm until the signal is aborted; resolves once nobody is left. */
  harm(httpPort: number, signal: AbortSignal): Promise<void>;
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

type AppProtocol = "http" | "h2c" | "grpc";

/** An app on this protocol that wants every input, and answers an event with as many bytes as it is told at the moment. */
function appServer(protocol: AppProtocol, names: readonly string[], answer: () => number): Server {
  if (protocol === "http") {
    return http.createServer((request, response) => {
      request.resume();
      response.on("error", () => undefined);
      if (request.method === "POST") pour(response, answer());
      else response.end();
    });
  }
  return http2.createServer().on("stream", (stream: http2.ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    stream.resume();
    if (protocol === "h2c") {
      stream.respond({ ":status": 200 });
      if (headers[":method"] === "POST") pour(stream, answer());
      else stream.end();
      return;
    }
    const path = headers[":path"] ?? "";
    const content = { ":status": 200, "content-type": "application/grpc" };
    if (!/ListInputBindings|OnBindingEvent$/.test(path)) {
      stream.respond({ ...content, "grpc-status": "12" }, { endStream: true });
      return;
    }
    stream.respond(content, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const list = Buffer.concat(names.map((name) => Buffer.from(`\x0a${lengthOf(name)}${name}`)));
    const size = path.endsWith("OnBindingEvent") ? answer() : list.length;
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(size, 1);
    stream.write(prefix);
    if (path.endsWith("OnBindingEvent")) pour(stream, size);
    else stream.end(list);
  });
}

/** The length of a field of a message, as one byte. */
function lengthOf(text: string): string {
  return String.fromCharCode(text.length);
}

function appAttack(protocol: AppProtocol, title: string): Attack {
  return {
    name: `app-${protocol}`,
    title: `answers of an app over ${title}`,
    async begin({ answer, atOneTime }) {
      let size = answer;
      const names = Array.from({ length: atOneTime }, (_, n) => `tick${n}`);
      const peer = await listen(appServer(protocol, names, () => size));
      const tick = { type: "bindings.cron", metadata: { schedule: "@every 1s" } };
      return {
        resources: Object.fromEntries(
          names.map((name) => [`${name}.yaml`, componentText({ name, ...tick })]),
        ),
        app: { appPort: peer.port, appProtocol: protocol },
        connections: peer.most,
        async harm(_httpPort, signal) {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          size = 0;
        },
        [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
      };
    },
  };
}

const outputAttack: Attack = {
  name: "output-http",
  title: "answers to the `http` output",
  async begin({ answer, atOneTime }) {
    const peer = await listen(
      http.createServer((request, response) => {
        request.resume();
        pour(response, answer);
      }),
    );
    const url = `http://127.0.0.1:${peer.port}`;
    return {
      resources: {
        "web.yaml": componentText({ name: "web", type: "bindings.http", metadata: { url } }),
      },
      connections: peer.most,
      async harm(httpPort, signal) {
        const agent = new http.Agent({ keepAlive: true, maxSockets: atOneTime });
        await Promise.all(
          Array.from({ length: atOneTime }, async () => {
            while (!signal.aborted) await invokeWeb(httpPort, agent, signal);
          }),
        );
        agent.destroy();
      },
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    };
  },
};

/** Ten thousand calls at one time, whose answers are small and take a while. */
const callsAttack: Attack = {
  name: "output-calls",
  title: "10,000 calls of the `http` output at one time",
  async begin() {
    const peer = await listen(
      http.createServer((request, response) => {
        request.resume();
        setTimeout(() => response.end("x"), 50);
      }),
    );
    const url = `http://127.0.0.1:${peer.port}`;
    return {
      resources: {
        "web.yaml": componentText({ name: "web", type: "bindings.http", metadata: { url } }),
      },
      connections: peer.most,
      async harm(httpPort, signal) {
        // The attack is over before its time: it is the first moment that counts.
        const session = http2.connect(`http://127.0.0.1:${httpPort}`);
        session.on("error", () => undefined);
        await Promise.all(Array.from({ length: 10_000 }, () => invokeByHttp2(session, signal)));
        session.destroy();
      },
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    };
  },
};

function invokeByHttp2(session: http2.ClientHttp2Session, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stream = session.request(
      { ":method": "POST", ":path": "/v1.0/bindings/web" },
      { signal },
    );
    stream.on("error", () => resolve());
    stream.on("close", () => resolve());
    stream.resume();
    stream.end('{"operation":"get"}');
  });
}

/** Calls the output `web` once, and throws the answer away as it comes. */
function invokeWeb(httpPort: number, agent: http.Agent, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const request = http.request(
      `http://127.0.0.1:${httpPort}/v1.0/bindings/web`,
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
  callsAttack,
];

const mebibyte = 1024 * 1024;

export type MeasureOptions = {
  /** Milliseconds. */
  readonly duration: number;
  /**
   * How long it is left alone before its memory is looked at, in milliseconds. Default: until it is within 64 MiB of
   * what it was, a minute at most.
   */
  readonly rest?: number;
  readonly flags?: readonly string[];
  readonly contender?: Contender;
  readonly daprd?: string | undefined;
};

/** Attacks a runtime of its own. */
export async function measure(
  attack: Attack,
  size: Size,
  { duration, rest, flags = [], contender = "cufflink", daprd }: MeasureOptions,
): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-answers-"));
  try {
    await using target = await attack.begin(size);
    const { resources, app } = target;
    await using runtime = await prepareRuntime(
      contender,
      { folder, daprd },
      { resources, ...app, flags },
    );
    await runtime.start();
    return await attackFor(target, runtime, duration, rest);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function attackFor(
  target: Target,
  runtime: Runtime,
  duration: number,
  rest: number | undefined,
): Promise<Measured> {
  const pid = runtime.pid();
  const before = residentOf(pid);
  const probe = new Worker(new URL("attack-probe.ts", import.meta.url), {
    workerData: { pid, httpPort: runtime.httpPort },
  });
  const probed = new Promise<Probed>((resolve, reject) => {
    probe.once("message", resolve);
    probe.once("error", reject);
  });
  await target.harm(runtime.httpPort, AbortSignal.timeout(duration));
  probe.postMessage("over");
  const { peak, slowest: slowestHealth } = await probed;
  await probe.terminate();
  if (rest === undefined) {
    const what = (): string => `${residentOf(pid)} MiB to become ${before} and 64 at most`;
    await until(() => residentOf(pid) <= before + 64, { what, within: 60_000, every: 200 });
  } else await new Promise((resolve) => setTimeout(resolve, rest));
  const after = residentOf(pid);
  return { before, peak, after, connections: target.connections(), slowestHealth };
}

/** Answers of so many MiB. */
export function answersOf(mebibytes: number, atOneTime: number): Size {
  return { answer: mebibytes * mebibyte, atOneTime };
}
