import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createApp } from "../../src/app/app.ts";
import { type AppProtocol, appProtocols } from "../../src/app/app-protocol.ts";
import { spokenProtocols } from "../../src/app/spoken-protocols.ts";
import { type Certificates, makeCertificates } from "../bindings/certificates.ts";
import { type ServedCall, startHttp2Server } from "../grpc/http2-server.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { delivery, never, spiedLogger, untilAvailable } from "./delivery.ts";

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

/** An app that speaks the protocol, as usual libraries do, and notes the events that it took. */
async function serve(protocol: AppProtocol): Promise<{ port: number; events: string[] }> {
  const events: string[] = [];
  const tls = protocol.endsWith("s") ? certificates.server : undefined;
  if (protocol === "http" || protocol === "https") {
    const listener: http.RequestListener = (request, response) => {
      if (request.method === "POST") events.push(request.url ?? "");
      response.end();
    };
    const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
    return { port: await listening(server), events };
  }
  const server = await startHttp2Server((call) => {
    if (call.headers[":method"] === "POST" && call.path.endsWith("orders")) events.push(call.path);
    if (protocol === "h2c") answerPlainly(call);
    else call.fail(12);
  }, tls && { tls });
  onTestFinished(() => server.stop());
  return { port: server.port, events };
}

function answerPlainly({ stream, path }: ServedCall): void {
  if (!stream.destroyed)
    stream.respond({ ":status": path === "/orders" ? 200 : 404 }, { endStream: true });
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const input = { name: "orders", route: "orders" };

async function appOn(port: number, protocol: AppProtocol) {
  const app = await createApp({ protocol, port, logger: spiedLogger() });
  onTestFinished(() => app.close());
  return app;
}

/** As an input does that waits: the app is asked whenever it is available. */
function asking(app: {
  available: boolean;
  wants: (one: typeof input, signal: AbortSignal) => Promise<boolean>;
}) {
  return async (): Promise<boolean> => {
    if (app.available) await app.wants(input, never).catch(() => undefined);
    return !app.available;
  };
}

const combinations = appProtocols.flatMap((spoken) =>
  appProtocols.filter((said) => said !== spoken).map((said) => ({ said, spoken })),
);

describe("an app that speaks another protocol than --app-protocol says", () => {
  test.each(combinations)("$said, and it speaks $spoken", async ({ said, spoken }) => {
    const { port, events } = await serve(spoken);
    const app = await appOn(port, said);
    const remedy = `--app-protocol is ${said}; say --app-protocol ${spoken}`;
    const ask = asking(app);
    await until(async () => (await ask()) && app.unavailableReason.endsWith(remedy), {
      what: () => `the remedy, beside ${JSON.stringify(app.unavailableReason)}`,
    });
    // Nothing is dispatched, and no attempt is used up.
    expect(app.available).toBe(false);
    expect(events).toEqual([]);
  });

  test.each(appProtocols)("%s, and it does: nothing is wrong", async (protocol) => {
    const { port } = await serve(protocol);
    const app = await appOn(port, protocol);
    await untilAvailable(app);
    expect(await app.wants(input, never)).toBe(!protocol.startsWith("grpc"));
    expect(app.unavailableReason).toBe("");
  });
});

test("an event for an app of gRPC that is spoken to by h2c is never taken for handled", async () => {
  const server = await startHttp2Server((call) => call.ok(new Uint8Array(0)));
  onTestFinished(() => server.stop());
  const app = await appOn(server.port, "h2c");
  await untilAvailable(app);
  const outcome = await app.deliver(delivery(), never);
  expect(outcome).toMatchObject({ kind: "refused", reason: "the app answers as gRPC does" });
});

test("a server of HTTPS that answers 400 to a request without TLS, as Go's does, is told from an app that says no", async () => {
  const server = https.createServer(certificates.server, (_, response) => void response.end());
  const front = createServer((socket) => {
    socket.once("data", (first: Buffer) => {
      if (first[0] !== 0x16) return void socket.end("HTTP/1.0 400 Bad Request\r\n\r\n");
      socket.pause();
      socket.unshift(first);
      return void server.emit("connection", socket);
    });
    socket.on("error", () => undefined);
  });
  const app = await appOn(await listening(front), "http");
  const ask = asking(app);
  await until(
    async () => (await ask()) && app.unavailableReason.endsWith("say --app-protocol https"),
    {
      what: "the remedy",
    },
  );
});

test("the app is there again once it speaks what it should", async () => {
  const first = http.createServer((_, response) => void response.end());
  const port = await listening(first);
  const app = await appOn(port, "grpc");
  await until(() => app.unavailableReason.includes("HTTP/1.1"), { what: "the wrong protocol" });
  first.closeAllConnections();
  first.close();
  await once(first, "close");
  await using second = await startHttp2Server((call) => call.fail(12), { port });
  await untilAvailable(app);
  expect(second.sessions.size).toBeGreaterThan(0);
});

test("what answers nothing at all is not said to speak anything, and may speak HTTP", async () => {
  const silent = createServer((socket) => void socket.on("error", () => undefined));
  const port = await listening(silent);
  expect(await spokenProtocols({ host: "127.0.0.1", port })).toEqual({
    spoken: [],
    possible: ["http"],
  });
});

test("nobody who listens speaks nothing", async () => {
  const port = await reservePort();
  expect(await spokenProtocols({ host: "127.0.0.1", port })).toEqual({ spoken: [], possible: [] });
});

test("a server for both HTTP/1.1 and HTTP/2 is spoken to by either", async () => {
  const options = { ...certificates.server, allowHTTP1: true };
  const port = await listening(
    http2.createSecureServer(options, (_, response) => void response.end()),
  );
  const { spoken } = await spokenProtocols({ host: "127.0.0.1", port });
  expect(spoken).toEqual(["https"]);
});
