// The app of the fault tests, in a process of its own so that it can be killed. It appends what it does with
// each event to a file before it answers. An event says in its field `do` what else it does to the app.
// Arguments: how it is reached (`grpc`, `http`, `stream`: it dials the runtime), the port, the file, a file that holds
// every event back while it exists, and the names of the bindings.
import { appendFileSync, existsSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:http2";
import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { createApp } from "../../src/sdk/index.ts";
import { poisonComponent, tickEvent } from "./tick.ts";
import { toldIn, type Told } from "./told.ts";

const [mode = "grpc", port = "0", file = "", hold = "", ...bindings] = process.argv.slice(2);

async function handle(
  binding: string,
  data: Uint8Array,
  metadata: Readonly<Record<string, string>>,
  attempt: number,
  id?: string,
): Promise<void> {
  const logged = data.length === 0 ? tickOf(binding, metadata, id) : toldIn(data);
  const { do: wanted = "", ...event } = logged;
  const receivedAt = Date.now();
  const record = (what: string): void => {
    const line = { what, binding, ...event, attempt, receivedAt, at: Date.now() };
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  };
  record("received");
  while (existsSync(hold)) await pause(50);
  if (wanted === "exit") process.exit(7);
  const refusals = /^refuse:(\d+)$/.exec(wanted)?.[1];
  if (refusals !== undefined && attempt <= Number(refusals)) {
    record("refused");
    throw new ConnectError("refused, as the event wants it", Code.Aborted);
  }
  const work = /^work:(\d+)$/.exec(wanted)?.[1];
  if (work !== undefined) await pause(Number(work));
  record("handled");
}

/** Which tick it is says the time when it was due, or else when it was delivered. */
function tickOf(
  binding: string,
  metadata: Readonly<Record<string, string>>,
  id: string | undefined,
): Told {
  const [day, time] = (metadata["readTimeUTC"] ?? "").split(" ");
  const tick = tickEvent(binding, Date.parse(id ?? `${day}T${time?.slice(0, 8)}Z`));
  return binding === poisonComponent ? { ...tick, do: "refuse:99" } : tick;
}

async function serveGrpc(): Promise<void> {
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(AppCallback, {
        listInputBindings: () => ({ bindings }),
        async onBindingEvent({ name, data, metadata }, { requestHeader }) {
          await handle(name, data, metadata, Number(requestHeader.get("cufflink-attempt") ?? 0));
          return {};
        },
      });
    },
  });
  await new Promise<void>((resolve) =>
    createServer(adapter).listen(Number(port), "127.0.0.1", resolve),
  );
}

async function serveHttp(): Promise<void> {
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "OPTIONS") return void response.writeHead(200).end();
      const { headers } = request;
      const metadata = { readTimeUTC: String(headers["readtimeutc"] ?? "") };
      handle(
        (request.url ?? "/").slice(1),
        Buffer.concat(chunks),
        metadata,
        Number(headers["cufflink-attempt"] ?? 0),
      ).then(
        () => response.writeHead(200).end(),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(Number(port), "127.0.0.1", resolve));
}

async function dial(): Promise<void> {
  const app = createApp({ runtime: `127.0.0.1:${port}`, log: () => undefined });
  for (const binding of bindings) {
    app.on(binding, ({ data, metadata, attempt, id }) =>
      handle(binding, data ?? new Uint8Array(), metadata, attempt, id),
    );
  }
  await app.start();
}

await (mode === "stream" ? dial() : mode === "http" ? serveHttp() : serveGrpc());
process.stdout.write("started\n");
