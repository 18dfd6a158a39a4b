import { setTimeout as pause } from "node:timers/promises";
import { request } from "undici";
import { reservePort } from "../../servers/ports.ts";
import { startProxy } from "../../servers/proxy.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/** How long a sender that repeats waits before it does, in milliseconds. */
const again = 500;

/** A sender that posts each event once; what is not answered with 2xx is its own business. */
export const webhook: Source = webhookSource({ app: 64, runtime: 0, server: 0 }, false);

/** A sender that posts each event, with its name in a header, until it is answered with 2xx. */
export const webhookRepeated: Source = webhookSource({ app: 64, runtime: 64, server: 64 }, true);

function webhookSource(bounds: Source["bounds"], repeats: boolean): Source {
  return {
    ...{ name: "webhook", bounds },
    async opened() {
      const port = await reservePort();
      const proxy = await startProxy({ host: "127.0.0.1", port });
      const over = new AbortController();
      const post = async (body: string, id: string): Promise<void> => {
        const answer = await request(`http://${proxy.host}:${proxy.port}/hook`, {
          ...{ method: "POST", body, headers: { "webhook-id": id }, reset: true },
          ...{ headersTimeout: 20_000, bodyTimeout: 20_000, signal: over.signal },
        });
        await answer.body.dump();
        if (answer.statusCode >= 300) throw new Error(`answered ${answer.statusCode}`);
      };
      return {
        component: {
          ...{ name: "hook", type: "bindings.webhook" },
          metadata: {
            ...{ address: `127.0.0.1:${port}`, path: "/hook", direction: "input" },
            ...(repeats ? { idHeader: "webhook-id" } : {}),
          },
        },
        ...{ ordered: false, concurrent: true, proxy },
        async send(event) {
          const body = JSON.stringify(event);
          for (;;) {
            try {
              return await post(body, event.uuid);
            } catch (error) {
              if (!repeats || over.signal.aborted) throw error;
              await pause(again, undefined, { signal: over.signal });
            }
          }
        },
        async [Symbol.asyncDispose]() {
          over.abort();
          await proxy[Symbol.asyncDispose]();
        },
      } satisfies OpenedSource;
    },
  };
}
