import { request } from "undici";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/** What is particular to a way of reading a feed. */
type Way = {
  readonly name: string;
  readonly bounds: Source["bounds"];
  readonly scheme?: string;
  readonly metadata: Readonly<Record<string, string>>;
};

/** A feed of pages that is asked again and again. */
export const http: Source = feedSource({
  name: "http",
  bounds: { app: 64, runtime: 64, server: 0 },
  metadata: {
    ...{
      interval: "200ms",
      pollTimeout: "3s",
      itemsPath: "events",
      idPath: "uuid",
      keyPath: "key",
    },
    ...{ cursorPath: "next", cursorParameter: "after" },
  },
});

/** A stream of events with ids. */
export const sse: Source = feedSource({
  name: "sse",
  bounds: { app: 64, runtime: 64, server: 0 },
  metadata: { idleTimeout: "3s", inOrder: "true" },
});

/** Messages of a WebSocket, which the server keeps for nobody who is away. */
export const websocket: Source = feedSource({
  name: "websocket",
  bounds: { app: 64, runtime: 0, server: 0 },
  scheme: "ws",
  metadata: { pingInterval: "1s", pingTimeout: "2s", inOrder: "true" },
});

function feedSource({ name, bounds, scheme = "http", metadata }: Way): Source {
  return {
    ...{ name, bounds },
    async opened(kit) {
      const server = await kit.servers.feed(kit.ownServer);
      const proxy = await startProxy(server);
      const feed = uniqueName("feed");
      const send = async (method: "POST" | "PUT", path: string, body: string): Promise<void> => {
        const answer = await request(`${server.url}/${path}/${feed}`, {
          ...{ method, body, reset: true, headersTimeout: 5_000, bodyTimeout: 5_000 },
        });
        await answer.body.dump();
        if (answer.statusCode !== 204) throw new Error(`answered ${answer.statusCode}`);
      };
      if (kit.credentials) await send("PUT", "passwords", "right");
      const url = `${scheme}://${proxy.host}:${proxy.port}/feeds/${feed}`;
      return {
        component: {
          ...{ name: "feed", type: `bindings.${name}` },
          metadata: {
            ...{ url, direction: "input", ...metadata },
            ...(kit.credentials ? { "header:Authorization": "right" } : {}),
          },
        },
        ...{ ordered: true, server, proxy },
        send: (event) => send("POST", "feeds", JSON.stringify(event)),
        credentials: {
          revoke: () => send("PUT", "passwords", "wrong"),
          restore: () => send("PUT", "passwords", "right"),
        },
        [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
      } satisfies OpenedSource;
    },
  };
}
