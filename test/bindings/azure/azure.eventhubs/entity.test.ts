// Azure Resource Manager is a stand-in of a few lines, written from its reference: GET, then PUT, of a hub and of a consumer
// group, version 2021-11-01.
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import eventhubs from "../../../../src/bindings/azure/azure.eventhubs/index.ts";
import { EntraServer } from "../../../servers/entra.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { makeCertificates } from "../../certificates.ts";
import { endAfterTest } from "../../contract.ts";
import { handled, openQueue } from "../../opened-queue.ts";
import { startNamespace } from "../namespace.ts";
import { hubProperties } from "./contract-source.ts";

type Call = { readonly method: string; readonly path: string; readonly body: unknown };

async function resourceManager(entra: EntraServer, denied: boolean) {
  const calls: Call[] = [];
  const there = new Set<string>();
  const server = createServer((request, response) => {
    void (async () => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const { method = "", url = "", headers } = request;
      const [path = "", query] = url.split("?");
      const text = Buffer.concat(parts).toString();
      calls.push({ method, path, body: text === "" ? undefined : JSON.parse(text) });
      const token = headers.authorization?.replace(/^Bearer /, "") ?? "";
      const answer = (status: number, code?: string): void => {
        const error = code === undefined ? {} : { error: { code, message: `${code}.` } };
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(error));
      };
      if (!entra.knows(token, "https://management.azure.com/.default"))
        return answer(401, "InvalidAuthenticationToken");
      if (query !== "api-version=2021-11-01") return answer(400, "InvalidApiVersionParameter");
      if (denied) return answer(403, "AuthorizationFailed");
      if (method === "PUT" && path.includes("forbidden")) return answer(409, "QuotaExceeded");
      if (method === "PUT") there.add(path);
      return there.has(path) ? answer(200) : answer(404, "ResourceNotFound");
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endAfterTest(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, calls };
}

describeWith("azurite-blob", (storage) => {
  async function place({ denied = false, eventHub = "hub-1" } = {}) {
    const certificates = makeCertificates();
    endAfterTest(() => certificates.remove());
    const entra = await EntraServer.start({ clientId: "shop", secret: "s3cret" });
    endAfterTest(() => entra[Symbol.asyncDispose]());
    const manager = await resourceManager(entra, denied);
    const { cert, key } = certificates.server;
    const namespace = await startNamespace({ tls: { cert, key } });
    namespace.access.jwt = () => Date.now() + 60_000;
    const { connectionString: _, ...rest } = hubProperties(namespace, storage, eventHub);
    const properties = {
      ...rest,
      ...{ consumerGroup: "shop", startFrom: "earliest" },
      eventHubNamespace: `127.0.0.1:${namespace.port}`,
      caCert: certificates.ca,
      ...{ azureTenantId: entra.tenant, azureClientId: "shop", azureClientSecret: "s3cret" },
      azureAuthorityHost: entra.url,
      ...{ enableEntityManagement: "true", subscriptionID: "sub", resourceGroupName: "a group" },
      ...{ partitionCount: "3", messageRetentionInDays: "7", managementUrl: manager.url },
    };
    return { properties, ...manager };
  }
  const directions = { input: true, output: false };
  // The namespace is the first label of its domain name.
  const hub =
    "/subscriptions/sub/resourceGroups/a%20group/providers/Microsoft.EventHub/namespaces/127/eventhubs/hub-1";
  const group = `${hub}/consumergroups/shop`;

  test("the hub and the consumer group are made where they are not there", async () => {
    const { properties, calls } = await place();
    const opened = await openQueue(eventhubs, properties, { directions });
    expect(calls).toEqual([
      { method: "GET", path: hub },
      {
        ...{ method: "PUT", path: hub },
        body: { properties: { messageRetentionInDays: 7, partitionCount: 3 } },
      },
    ]);
    await opened.read(() => handled);
    expect(calls.slice(2)).toEqual([
      { method: "GET", path: group },
      { method: "PUT", path: group, body: {} },
    ]);
    await opened.close();
    await openQueue(eventhubs, properties, { directions });
    expect(calls.slice(4)).toEqual([{ method: "GET", path: hub }]);
  });

  test("who may not make them takes them to be there, and says so", async () => {
    const { properties } = await place({ denied: true });
    const opened = await openQueue(eventhubs, properties, { directions });
    await opened.read(() => handled);
    expect(opened.log.filter(({ message }) => message.includes("may not make"))).toHaveLength(2);
  });

  test("a hub that cannot be made is what the component fails with, by the service's own code", async () => {
    const { properties } = await place({ eventHub: "hub-forbidden" });
    await expect(openQueue(eventhubs, properties, { directions })).rejects.toMatchObject({
      message: "failed to create event hub hub-forbidden: QuotaExceeded: QuotaExceeded.",
      ...{ effect: "unsent", systemCode: "QuotaExceeded" },
    });
  });
});
