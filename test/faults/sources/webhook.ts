import { request } from "undici";
import { reservePort } from "../../servers/ports.ts";
import { startProxy } from "../../servers/proxy.ts";
import type { Place, Source } from "../place.ts";

/** A sender that posts each event once; what is not answered with 2xx is its own business. */
export const webhook: Source = {
  name: "webhook",
  bounds: { app: 64, runtime: 0, server: 0 },
  async place() {
    const port = await reservePort();
    const proxy = await startProxy({ host: "127.0.0.1", port });
    return {
      component: {
        ...{ name: "hook", type: "bindings.webhook" },
        metadata: { address: `127.0.0.1:${port}`, path: "/hook", direction: "input" },
      },
      ...{ ordered: false, concurrent: true, proxy },
      async send(event) {
        const { statusCode, body } = await request(`http://${proxy.host}:${proxy.port}/hook`, {
          ...{ method: "POST", body: JSON.stringify(event), reset: true },
          ...{ headersTimeout: 20_000, bodyTimeout: 20_000 },
        });
        await body.dump();
        if (statusCode >= 300) throw new Error(`answered ${statusCode}`);
      },
      [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
    } satisfies Place;
  },
};
