import { EntraServer } from "../../../servers/entra.ts";
import { endAfterTest } from "../../contract.ts";
import { application, inputProperties, startEventGrid } from "./stand-in.ts";

/** Entra ID and Event Grid, and a component that reads. */
export async function startBoth(port: number) {
  const entra = await EntraServer.start(application);
  endAfterTest(() => entra[Symbol.asyncDispose]());
  await entra.rotate();
  const grid = await startEventGrid((token) => entra.knows(token, `${grid.url}/.default`));
  endAfterTest(async () => grid[Symbol.asyncDispose]());
  const webhook = `http://127.0.0.1:${port}/api/events`;
  const properties: Record<string, string> = inputProperties(entra, grid.url, port);
  return {
    ...{ entra, grid, webhook, properties },
    /** A request as Event Grid sends it. */
    post: async (
      body: string | Uint8Array,
      headers: Record<string, string> = {},
      signal: AbortSignal | null = null,
    ) =>
      fetch(webhook, {
        ...{ method: "POST", body: Buffer.from(body), signal },
        headers: {
          "content-type": "application/cloudevents+json; charset=utf-8",
          authorization: `Bearer ${await entra.sign({ aud: application.clientId })}`,
          ...headers,
        },
      }),
  };
}
