import { once } from "node:events";
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { bpmn, zeebeClient } from "../../servers/zeebe-client.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** Jobs of one type, taken with tokens of a server of its own. */
export const zeebeJobworker: Source = {
  name: "zeebe.jobworker",
  bounds: { app: 4, runtime: 32, server: 32 },
  async opened(kit) {
    const gateway = await kit.servers.zeebe(kit.ownServer);
    const { server } = gateway;
    const proxy = await startProxy(server);
    const jobType = uniqueName("faults");
    const owner = zeebeClient(server, "owner");
    await owner.deploy(bpmn(jobType, { type: jobType, retries: 1_000_000 }));
    await owner.close();
    const token = randomUUID();
    await gateway.allow(token);
    const tokens = createServer((_, response) => {
      response.end(JSON.stringify({ access_token: token, expires_in: 3600 }));
    });
    tokens.listen(0, "127.0.0.1");
    await once(tokens, "listening");
    const address = tokens.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const { send, close } = sender(async () => {
      const client = zeebeClient(server, "owner");
      return {
        send: async (event) => void (await client.start(jobType, JSON.stringify(event))),
        close: () => client.close(),
      };
    });
    return {
      component: {
        ...{ name: "jobs", type: "bindings.zeebe.jobworker" },
        metadata: {
          ...{ gatewayAddr: `${proxy.host}:${proxy.port}`, usePlainTextConnection: "true" },
          ...{ jobType, workerTimeout: "5s", direction: "input", retryBackOff: "100ms" },
          // With the runtime's own attempts and dead letters, as all rows.
          ...{ backOffMaxRetries: "9", onExhausted: "deadLetter" },
          ...{ clientId: "shop", clientSecret: "secret", tokenAudience: "zeebe" },
          authorizationServerUrl: `http://127.0.0.1:${port}/token`,
        },
      },
      ordered: false,
      ...{ server, proxy, send },
      credentials: { revoke: () => gateway.deny(token), restore: () => gateway.allow(token) },
      unreachable: { gatewayAddr: unreachableAddress },
      async [Symbol.asyncDispose]() {
        await close();
        tokens.close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
