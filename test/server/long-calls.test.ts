import { once } from "node:events";
import { Agent, request } from "node:http";
import { afterEach, expect, test, vi } from "vitest";
import { isLong } from "../long.ts";
import { listen } from "../../src/server/listener.ts";
import { createRpcHandlers } from "../../src/server/rpc-handlers.ts";
import { createService } from "../../src/grpc/service.ts";
import { connect as connectSocket, type AddressInfo } from "node:net";
import { createHttpEndpoints } from "../../src/server/http-endpoints.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { createMetricsServer } from "../../src/telemetry/metrics-server.ts";
import { Kinds } from "../grpc/kinds.ts";
import { call, connect, frame, messagesOf } from "../grpc/raw-client.ts";
import { protocolsOf } from "./protocols-of.ts";

const minute = 60_000;

// Node looks each five seconds for connections whose request does not come.
test.runIf(isLong).each(["", "GET / HTTP/1.1\r\nhost"])(
  "a connection to the port of a webhook, and of metrics, ends after ten seconds with %j",
  { timeout: minute },
  async (sent) => {
    const webhook = await createHttpEndpoints().listen("127.0.0.1", 0, "/hook");
    const metrics = createMetricsServer(new Metrics("shop", () => []));
    await once(metrics.listen(0, "127.0.0.1"), "listening");
    const times = [webhook.port, (metrics.address() as AddressInfo).port].map(async (port) => {
      const socket = connectSocket(port, "127.0.0.1");
      const since = performance.now();
      socket.resume().write(sent);
      await once(socket, "close");
      return performance.now() - since;
    });
    for (const time of await Promise.all(times)) expect(time).toBeLessThan(20_000);
    await webhook[Symbol.asyncDispose]();
    metrics.close();
  },
);

// Nothing of ours or of Node's may cut a slow method or an idle connection. `npm run test:long` really waits.
afterEach(() => {
  vi.useRealTimers();
});

function fakeTime(): void {
  if (isLong) return;
  const toFake = ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] as const;
  vi.useFakeTimers({ toFake: [...toFake] });
}

/** Lets the time pass: a clock of our own, except in the long run. */
async function pass(milliseconds: number): Promise<void> {
  if (isLong) await new Promise((resolve) => setTimeout(resolve, milliseconds));
  else await vi.advanceTimersByTimeAsync(milliseconds);
}

async function serve() {
  let waiting = 0;
  const release = Promise.withResolvers<void>();
  const service = createService(Kinds, {
    async unary({ value }) {
      if (Buffer.from(value).toString() !== "wait") return { value };
      waiting += 1;
      await release.promise;
      return { value: Buffer.from("at last") };
    },
  });
  const lanes = createRpcHandlers({ services: [service], maxMessageSize: 1024 });
  const protocols = protocolsOf(lanes);
  const server = await listen({ host: "127.0.0.1", port: 0 }, protocols);
  return {
    port: (server.address() as AddressInfo).port,
    protocols,
    waiting: () => waiting,
    release: release.resolve,
    async [Symbol.asyncDispose]() {
      server.close();
      await protocols.end(0);
    },
  };
}

/** A unary call by Connect's JSON; the port that it came from tells connections apart. */
function post(port: number, agent: Agent, text: string): Promise<{ body: string; from: number }> {
  const value = JSON.stringify(Buffer.from(text).toString("base64"));
  return new Promise((resolve, reject) => {
    const outgoing = request({
      port,
      host: "127.0.0.1",
      path: "/test.Kinds/Unary",
      method: "POST",
      agent,
      headers: { "content-type": "application/json" },
    });
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      const from = incoming.socket.localPort ?? 0;
      let body = "";
      incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
      incoming.on("end", () =>
        resolve({ from, body: Buffer.from(JSON.parse(body) as string, "base64").toString() }),
      );
    });
    outgoing.end(value);
  });
}

test("Node's own timers are off: they cannot be driven by a clock of ours", async () => {
  await using served = await serve();
  const { http1 } = served.protocols;
  expect([http1.timeout, http1.requestTimeout, http1.keepAliveTimeout]).toEqual([0, 0, 0]);
});

test(
  "a method may take six minutes, over HTTP/2 and HTTP/1.1",
  async () => {
    fakeTime();
    await using served = await serve();
    const session = connect(served.port);
    const agent = new Agent({ keepAlive: true });
    try {
      const path = "/test.Kinds/Unary";
      // `wait` as a BytesValue.
      const slow = call(session, path, frame(Buffer.from("\n\x04wait")));
      const slow1 = post(served.port, agent, "wait");
      while (served.waiting() < 2) await new Promise(setImmediate);
      await pass(6 * minute);
      served.release();
      expect(messagesOf((await slow).body).map(String)).toEqual(["\n\x07at last"]);
      expect((await slow1).body).toBe("at last");
    } finally {
      session.destroy();
      agent.destroy();
    }
  },
  8 * minute,
);

test(
  "an idle connection is there after ten minutes, over HTTP/2 and HTTP/1.1",
  async () => {
    fakeTime();
    await using served = await serve();
    const session = connect(served.port);
    const agent = new Agent({ keepAlive: true });
    try {
      const ask = () => call(session, "/test.Kinds/Unary", frame(""));
      expect((await ask()).status).toBe(0);
      const { from } = await post(served.port, agent, "before");
      await pass(10 * minute);
      expect((await ask()).status).toBe(0);
      expect(await post(served.port, agent, "after")).toEqual({ body: "after", from });
    } finally {
      session.destroy();
      agent.destroy();
    }
  },
  12 * minute,
);
