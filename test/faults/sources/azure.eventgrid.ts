import { setTimeout as pause } from "node:timers/promises";
import { request } from "undici";
import {
  application,
  cloudEvent,
  inputProperties,
  startEventGrid,
} from "../../bindings/azure/azure.eventgrid/stand-in.ts";
import { EntraServer } from "../../servers/entra.ts";
import { reservePort } from "../../servers/ports.ts";
import { startProxy } from "../../servers/proxy.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/** How long the sender waits before it sends again, in milliseconds; Event Grid itself waits 10 s and longer. */
const again = 500;

/** A stand-in for Event Grid, which sends each event until it is answered with 2xx, as that does for a day. */
export const azureEventGrid: Source = {
  ...{ name: "azure.eventgrid", bounds: { app: 64, runtime: 64, server: 64 } },
  async opened() {
    const port = await reservePort();
    const proxy = await startProxy({ host: "127.0.0.1", port });
    const entra = await EntraServer.start(application);
    await entra.rotate();
    const grid = await startEventGrid((token) => entra.knows(token));
    const over = new AbortController();
    const post = async (body: string): Promise<void> => {
      const authorization = `Bearer ${await entra.sign({ aud: application.clientId })}`;
      const answer = await request(`http://${proxy.host}:${proxy.port}/api/events`, {
        ...{ method: "POST", body, reset: true },
        headers: { authorization, "content-type": "application/cloudevents+json" },
        ...{ headersTimeout: 30_000, bodyTimeout: 30_000, signal: over.signal },
      });
      await answer.body.dump();
      if (answer.statusCode >= 300) throw new Error(`answered ${answer.statusCode}`);
    };
    return {
      component: {
        ...{ name: "orders", type: "bindings.azure.eventgrid" },
        metadata: inputProperties(entra, grid.url, port),
      },
      ...{ ordered: false, concurrent: true, proxy },
      async send(event) {
        // What the app is to see of it stands beside what CloudEvents asks for.
        const body = JSON.stringify(cloudEvent(event.uuid, undefined, event));
        for (;;) {
          try {
            return await post(body);
          } catch (error) {
            if (over.signal.aborted) throw error;
            await pause(again, undefined, { signal: over.signal });
          }
        }
      },
      async [Symbol.asyncDispose]() {
        over.abort();
        await grid[Symbol.asyncDispose]();
        await entra[Symbol.asyncDispose]();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
