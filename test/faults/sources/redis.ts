import { Redis } from "ioredis";
import { request } from "undici";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Handled } from "../oracle.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/**
 * An output. Each event is one `increment` of a key of its own, asked for once: one that was answered with success
 * must have been done, and none may have been done twice.
 */
export const redis: Source = {
  name: "redis",
  bounds: { app: 0, runtime: 0, server: 0 },
  async opened(kit) {
    const server = await kit.servers.redis(kit.ownServer);
    const proxy = await startProxy(server);
    const prefix = uniqueName("faults");
    const user = uniqueName("user");
    const admin = new Redis({ host: server.host, port: server.port });
    admin.on("error", () => {});
    const grant = ["ACL", "SETUSER", user, "reset", "on", ">right", "allkeys", "+@all"] as const;
    if (kit.credentials) await admin.call(...grant);
    const url = `http://127.0.0.1:${kit.runtime.httpPort}/v1.0/bindings/cache`;
    return {
      component: {
        ...{ name: "cache", type: "bindings.redis" },
        metadata: {
          ...{ redisHost: `${proxy.host}:${proxy.port}`, direction: "output" },
          ...(kit.credentials ? { redisUsername: user, redisPassword: "right" } : {}),
        },
      },
      ...{ ordered: false, concurrent: true, server, proxy },
      async send({ uuid }) {
        const metadata = { key: `${prefix}-${uuid}` };
        const { statusCode, body } = await request(url, {
          ...{ method: "POST", body: JSON.stringify({ operation: "increment", metadata }) },
          headers: { "content-type": "application/json" },
          ...{ reset: true, headersTimeout: 90_000 },
        });
        await body.dump();
        if (statusCode >= 300) throw new Error(`answered ${statusCode}`);
      },
      async arrived(produced) {
        if (produced.length === 0) return [];
        const counts = await admin.mget(produced.map(({ uuid }) => `${prefix}-${uuid}`));
        return produced.flatMap(({ key, sequence, uuid, at }, index) =>
          Array.from({ length: Number(counts[index] ?? 0) }, (): Handled => {
            return { key, sequence, uuid, attempt: 1, receivedAt: at, at };
          }),
        );
      },
      hold: () => proxy.stall(),
      letGo: () => proxy.heal(),
      credentials: {
        async revoke() {
          await admin.call("ACL", "SETUSER", user, "off");
          proxy.cut();
        },
        async restore() {
          await admin.call(...grant);
        },
      },
      async [Symbol.asyncDispose]() {
        admin.disconnect();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
