import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { examineByRequest } from "../../../examine-by-request.ts";
import { parseAddress } from "../../../http-client/address.ts";
import { durationText, instantText, now } from "../../../sql/timing.ts";
import { authoritiesOf } from "../../../tls/pem.ts";
import { GremlinClient } from "./client.ts";
import { gremlinFields, type GremlinMetadata } from "./fields.ts";
import { membersOf } from "./json-members.ts";
import { plainLogin, type Query } from "./protocol.ts";

/** What Cosmos DB says of a query, which the answer's metadata have. */
const told = ["x-ms-total-request-charge", "x-ms-activity-id"];

/** Runs queries on a graph of Azure Cosmos DB for Apache Gremlin, or of another Gremlin server. */
export default defineBinding({
  name: "azure.cosmosdb.gremlinapi",
  status: "alpha",
  summary: "Runs Gremlin queries on a graph of Azure Cosmos DB.",
  provedBy: [
    { system: "Apache Gremlin Server", kind: "real" },
    { system: "Cosmos DB's Gremlin endpoint", kind: "stand-in" },
  ],
  metadata: gremlinFields,

  check: (metadata) => problemsOf([() => checkMetadata(metadata)]),

  async open({ metadata, memory, hide, signal }) {
    const url = checkMetadata(metadata);
    const login = plainLogin(metadata.username, metadata.masterKey);
    hide?.(login);
    const ca = await authoritiesOf(metadata.caCert);
    const client = new GremlinClient({ url, login, ca, memory });
    try {
      await client.connect(signal);
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    query: {
      description:
        'Runs a query, and answers its result as GraphSON 2.0. The data are JSON: `{"gremlin": "g.V()"}`, and perhaps `bindings`, an object of the values of its variables.',
      request: {},
      async invoke(client, { operation, data, signal }) {
        const query = queryOf(data);
        const begun = now();
        const { data: result, attributes } = await client.run(query, signal);
        const ended = now();
        const facts = told.flatMap((name) => {
          const value = attributes[name];
          const isTold = typeof value === "string" || typeof value === "number";
          return isTold ? [[name, `${value}`] as const] : [];
        });
        return {
          data: Buffer.from(result),
          metadata: {
            ...{ operation, gremlin: query.gremlin },
            ...{ "start-time": instantText(begun), "end-time": instantText(ended) },
            duration: durationText(ended - begun),
            ...Object.fromEntries(facts),
          },
        };
      },
    },
  },

  async examine(client, questions) {
    const { metadata, signal, unknown } = questions;
    // The server asks who it is with the first query; this one reads nothing.
    const nothing = { gremlin: "g.V().limit(0)", bindings: undefined };
    const request = async () => void (await client.run(nothing, signal));
    const told = [
      ["authenticated", ""],
      ["exists", `graph of ${metadata.username}`],
    ] as const;
    await examineByRequest(questions, request, told);
    unknown("may write", "", "only a query that writes tells");
  },

  async ping(client, signal) {
    await client.ping(signal);
  },
});

/** The URL. Throws a `BindingError` for metadata that cannot be used. */
function checkMetadata({ url, username, masterKey }: GremlinMetadata): string {
  if (!/^wss?:\/\//i.test(url)) throw invalid("the URL must begin with ws:// or wss://");
  const { origin, path } = parseAddress(url.replace(/^ws/i, "http"));
  if (username.includes("\0") || masterKey.includes("\0"))
    throw invalid("username and masterKey must not contain NUL");
  return origin.replace(/^http/, "ws") + path;
}

function queryOf(data: Uint8Array | undefined): Query {
  const members = objectOf(data);
  const gremlin = JSON.parse(members.get("gremlin") ?? "null") as unknown;
  if (typeof gremlin !== "string" || gremlin === "")
    throw invalid("CosmosDBGremlinAPI Error: missing data - gremlin query not set");
  const bindings = members.get("bindings");
  if (bindings !== undefined && !bindings.startsWith("{"))
    throw invalid("CosmosDBGremlinAPI Error: bindings is no object");
  return { gremlin, bindings };
}

function objectOf(data: Uint8Array | undefined): Map<string, string> {
  const text = Buffer.from(data ?? []).toString("utf8");
  try {
    JSON.parse(text);
    return membersOf(text);
  } catch {
    throw invalid("CosmosDBGremlinAPI Error: Cannot convert request data");
  }
}

function invalid(text: string): BindingError {
  return new BindingError("invalid_argument", text);
}
