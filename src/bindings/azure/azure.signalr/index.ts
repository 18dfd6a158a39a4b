import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { examineByRequest } from "../../../examine-by-request.ts";
import { ServiceClient } from "../../../http-client/service-client.ts";
import { within } from "../../../http-client/within.ts";
import { entraDrivers, needsEntraDriver, openEntra } from "../../../identity/azure/entra.ts";
import { negotiateFields, sendFields, signalrFields } from "./fields.ts";
import type { SignalrMetadata } from "./fields.ts";
import { Hubs } from "./hubs.ts";
import { readSettings } from "./settings.ts";

const empty = new Uint8Array();
/** As in Dapr, in milliseconds. */
const timeout = 30_000;

/** Sends messages to the clients of Azure SignalR, and gives clients what they connect with. */
export default defineBinding({
  name: "azure.signalr",
  status: "beta",
  summary: "Sends messages to clients of Azure SignalR, and lets clients connect.",
  provedBy: [
    { system: "Azure SignalR", kind: "stand-in" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: entraDrivers,
  needsDriver: (_name, metadata) => asksEntra(metadata),
  metadata: signalrFields,
  example: {
    connectionString: "Endpoint=https://shop.service.signalr.net;AccessKey=bXkta2V5;Version=1.0;",
    hub: "orders",
  },

  check: (metadata) => problemsOf([() => readSettings(metadata)]),

  async open({ metadata, memory, driver, hide }) {
    const { endpoint, accessKey, entra } = readSettings(metadata);
    for (const secret of [accessKey, entra.azureClientSecret]) if (secret) hide?.(secret);
    const login = accessKey
      ? { accessKey: Buffer.from(accessKey) }
      : { entra: openEntra({ settings: entra, driver, hide }) };
    const client = await ServiceClient.open({
      ...{ url: endpoint, memory, hide, caCert: metadata.caCert },
    });
    return {
      hubs: new Hubs({ client, endpoint, login, hub: metadata.hub }),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
  },

  async examine({ hubs }, questions) {
    const { signal, unknown, omit } = questions;
    omit("exists");
    await examineByRequest(questions, () => hubs.examine(signal), [["authenticated", ""]]);
    unknown("may write", "", "only sending a message tells");
  },

  operations: {
    create: {
      description:
        "Sends the data, a JSON object with `target` and `arguments`, to all clients of the hub, a group or a user.",
      request: sendFields,
      async invoke({ hubs }, { data = empty, request, signal }) {
        await within(timeout, "30 s, as in Dapr", signal, (limited) =>
          hubs.send(request, data, limited),
        );
      },
    },
    clientNegotiate: {
      description: "Answers `url` and `accessToken`, with which a client connects to the hub.",
      request: negotiateFields,
      idempotent: true,
      async invoke({ hubs }, { request, signal }) {
        const answer = await within(timeout, "30 s, as in Dapr", signal, (limited) =>
          hubs.negotiate(request, limited),
        );
        return { data: Buffer.from(JSON.stringify(answer)) };
      },
    },
  },
});

function asksEntra(metadata: SignalrMetadata): boolean {
  try {
    const { accessKey, entra } = readSettings(metadata);
    return accessKey === "" && needsEntraDriver(entra);
  } catch {
    return false;
  }
}
