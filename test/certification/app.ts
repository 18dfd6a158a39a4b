import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { onTestFinished as ofThisTest } from "vitest";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { reservePort } from "../servers/ports.ts";

/** One event as the app got it. */
export type Received = {
  readonly binding: string;
  readonly text: string;
  readonly metadata: Readonly<Record<string, string>>;
};

/** An app that serves AppCallback over gRPC in this process, and can be stopped and started again on its port. */
export type App = {
  readonly port: number;
  /** Each event that it handled, in order. */
  readonly handled: readonly Received[];
  /** How often it answered with an error. */
  readonly refusals: number;
  /** The texts of what it handled. */
  texts(): string[];
  start(): Promise<void>;
  /** Closes its port and all its connections at once. */
  stop(): Promise<void>;
};

/** Starts an app that subscribes to these bindings; it ends with the test. */
export async function startApp(
  bindings: readonly string[],
  options: {
    /** Answers every such delivery with an error: 100 the 100th, the 200th and so on. */
    errorEvery?: number;
    /** Milliseconds until it answers. */
    takes?: number;
    /** That of a test that runs beside others. */
    onTestFinished?: typeof ofThisTest;
  } = {},
): Promise<App> {
  const port = await reservePort();
  const handled: Received[] = [];
  let deliveries = 0;
  let refusals = 0;
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(AppCallback, {
        listInputBindings: () => ({ bindings: [...bindings] }),
        async onBindingEvent({ name, data, metadata }) {
          deliveries++;
          if (options.errorEvery !== undefined && deliveries % options.errorEvery === 0) {
            refusals++;
            throw new ConnectError("a simulated error", Code.Internal);
          }
          if (options.takes !== undefined) {
            await new Promise((resolve) => setTimeout(resolve, options.takes));
          }
          handled.push({ binding: name, text: Buffer.from(data).toString(), metadata });
          return {};
        },
      });
    },
  });
  let server: Http2Server | undefined;
  const sessions = new Set<ServerHttp2Session>();
  const app: App = {
    port,
    handled,
    get refusals() {
      return refusals;
    },
    texts: () => handled.map(({ text }) => text),
    async start() {
      const fresh = createServer(adapter);
      fresh.on("session", (session) => {
        sessions.add(session);
        session.once("close", () => sessions.delete(session));
      });
      await new Promise<void>((resolve) => fresh.listen(port, "127.0.0.1", resolve));
      server = fresh;
    },
    async stop() {
      const last = server;
      server = undefined;
      const closed = new Promise<void>((resolve) =>
        last === undefined ? resolve() : last.close(() => resolve()),
      );
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
  (options.onTestFinished ?? ofThisTest)(() => app.stop());
  await app.start();
  return app;
}
