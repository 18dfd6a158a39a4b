import { BindingError } from "../../../errors.ts";
import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { parseAddress } from "../../../http-client/address.ts";
import { ServiceClient } from "../../../http-client/service-client.ts";
import { entraDrivers, needsEntraDriver, openEntra } from "../../../identity/azure/entra.ts";
import { readMasterKey } from "./authorization.ts";
import { Container } from "./container.ts";
import { partitionOf } from "./document.ts";
import { cosmosFields } from "./fields.ts";

const empty = new Uint8Array();

/** Writes documents to a container of Azure Cosmos DB (its API for NoSQL). */
export default defineBinding({
  name: "azure.cosmosdb",
  status: "beta",
  summary: "Creates documents in a container of Azure Cosmos DB for NoSQL.",
  provedBy: [
    { system: "cosmosdb-server", kind: "emulator" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: entraDrivers,
  needsDriver: (_name, metadata) => !metadata.masterKey && needsEntraDriver(metadata),
  metadata: cosmosFields,

  check: ({ url, masterKey }) =>
    problemsOf([() => parseAddress(url), () => masterKey && readMasterKey(masterKey)]),

  async open({ metadata, memory, driver, hide, signal, logger }) {
    const { url, masterKey, database, collection, caCert } = metadata;
    const login = masterKey
      ? { masterKey: readMasterKey(masterKey) }
      : { entra: openEntra({ settings: metadata, driver, hide }) };
    const client = await ServiceClient.open({ url, memory, hide, caCert });
    try {
      const container = new Container({ client, login, url, database, collection });
      if (!(await container.exists(signal)))
        logger.debug({ database, collection }, "reading the container's properties is not allowed");
      return { container, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    create: {
      description:
        "Creates a document. The data are a JSON object with `id` and the text that is the partition key.",
      request: {},
      async invoke({ container }, { data = empty, metadata, signal }) {
        await container.create(data, partitionOf(data, metadata.partitionKey), signal);
      },
    },
  },

  async ping({ container }, signal) {
    await container.exists(signal);
  },

  async examine({ container }, { metadata, signal, ask }) {
    await ask("authenticated", "", () => {});
    await ask("exists", `collection ${metadata.collection}`, async () => {
      if (!(await container.exists(signal)))
        throw new BindingError(
          "permission_denied",
          "reading the container's properties is not allowed",
        );
    });
  },
});
