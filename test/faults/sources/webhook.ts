import { setTimeout as pause } from "node:timers/promises";
import { request } from "undici";
import { outgoingHeaders } from "../../bindings/alicloud/alicloud.dingtalk.webhook/stand-in.ts";
import { reservePort } from "../../servers/ports.ts";
import { startProxy } from "../../servers/proxy.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

const appSecret = "app secret";
/** How long a sender that repeats waits before it does, in milliseconds. */
const again = 500;

/** A sender that posts each event once; what is not answered with 2xx is its own business. */
export const webhook: Source = webhookSource({ app: 64, runtime: 0, server: 0 }, false);

/** A sender that posts each event, with its name in a header, until it is answered with 2xx. */
export const webhookRepeated: Source = webhookSource({ app: 64, runtime: 64, server: 64 }, true);

/** The same by DingTalk, which signs the time of each and names it within its body. */
export const dingtalk: Source = webhookSource({ app: 64, runtime: 0, server: 0 }, false, {
  name: "alicloud.dingtalk.webhook",
  metadata: { id: "robot", url: "http://127.0.0.1:1/robot/send", appSecret },
  headers: () => outgoingHeaders(appSecret),
  idMember: "msgId",
});

type Listener = {
  readonly name: string;
  readonly metadata?: Record<string, string>;
  readonly headers?: () => Record<string, string>;
  /** The member of a body that names its event. */
  readonly idMember?: string;
};

function webhookSource(
  bounds: Source["bounds"],
  repeats: boolean,
  { name, metadata = {}, headers = () => ({}), idMember }: Listener = { name: "webhook" },
): Source {
  return {
    ...{ name, bounds },
    async opened() {
      const port = await reservePort();
      const proxy = await startProxy({ host: "127.0.0.1", port });
      const over = new AbortController();
      const post = async (body: string, id: string): Promise<void> => {
        const answer = await request(`http://${proxy.host}:${proxy.port}/hook`, {
          ...{ method: "POST", body, reset: true },
          headers: { ...headers(), "webhook-id": id },
          ...{ headersTimeout: 20_000, bodyTimeout: 20_000, signal: over.signal },
        });
        await answer.body.dump();
        if (answer.statusCode >= 300) throw new Error(`answered ${answer.statusCode}`);
      };
      return {
        component: {
          ...{ name: "hook", type: `bindings.${name}` },
          metadata: {
            ...metadata,
            ...{ address: `127.0.0.1:${port}`, path: "/hook", direction: "input" },
            ...(idMember === undefined ? { idHeader: "webhook-id" } : {}),
          },
        },
        ...{ ordered: false, concurrent: true, proxy },
        async send(event) {
          const named = idMember === undefined ? {} : { [idMember]: event.uuid };
          const body = JSON.stringify({ ...event, ...named });
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
