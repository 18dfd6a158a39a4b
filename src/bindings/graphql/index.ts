import { defineBinding } from "../../binding.ts";
import type { Answer, Call } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { describeAddress, type Address } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import { setHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { sentSecrets } from "../../http-client/sent-secrets.ts";
import { formatDuration } from "../../metadata/duration.ts";
import type { Fields, Values } from "../../metadata/fields.ts";
import { graphqlFields, mutationFields, queryFields } from "./fields.ts";
import { dataOf, textPrefix } from "./response.ts";

/** Further calls wait, in their order and within their deadlines. */
const mostConnections = 512;

/** Sends queries and mutations to a GraphQL server, by POST. */
export default defineBinding({
  name: "graphql",
  status: "beta",
  summary: "Sends queries and mutations to a GraphQL server.",
  provedBy: [{ system: "graphql-js", kind: "real" }],
  metadata: graphqlFields,

  async open({ metadata, memory }) {
    const { endpoint: url, headers } = metadata;
    const client = HttpClient.open(await import("undici"), {
      ...{ url, memory },
      maxConnections: mostConnections,
      secretHeaders: [...headers.keys()],
    });
    requestHeaders(client.home, headers);
    return client;
  },

  async examine(client, questions) {
    const { metadata, signal, unknown, omit } = questions;
    const { authorization } = client.home;
    const isAnonymous = metadata.headers.size === 0 && authorization === undefined;
    if (isAnonymous) omit("authenticated");
    const request = async (): Promise<void> => {
      // Every server has this field, and runs nothing for it.
      const text = "query { __typename }";
      const none = { headers: new Map(), variables: new Map() };
      try {
        await run(client, "query", text, { metadata, signal, request: none });
      } catch (error) {
        if (!(error instanceof BindingError) || error.reason !== "invalid_argument") throw error;
        // It may run no queries but those that it was told before.
        throw new BindingError("unimplemented", error.message);
      }
    };
    const exists = ["exists", describeAddress(client.home)] as const;
    await examineByRequest(
      questions,
      request,
      isAnonymous ? [exists] : [["authenticated", ""], exists],
    );
    unknown("may write", "", "each query and mutation has rights of its own");
  },

  operations: {
    query: {
      description: "Runs a query and answers its `data`. The payload is ignored.",
      request: queryFields,
      idempotent: true,
      invoke: (client, call) => run(client, "query", call.request.query, call),
    },
    mutation: {
      description: "Runs a mutation and answers its `data`. The payload is ignored.",
      request: mutationFields,
      invoke: (client, call) => run(client, "mutation", call.request.mutation, call),
    },
  },
});

type Named = Values<Pick<typeof queryFields, "headers" | "variables">>;

async function run(
  client: HttpClient,
  operation: "query" | "mutation",
  text: string | undefined,
  {
    metadata,
    request,
    signal,
  }: Pick<Call<typeof graphqlFields, Fields>, "metadata" | "signal"> & {
    readonly request: Named;
  },
): Promise<Answer> {
  const document = text?.trim();
  if (!document) throw refused(`required ${JSON.stringify(operation)} not set`);
  // Another kind of document would be run too, without what the operation promises.
  if (!document.startsWith(operation)) throw refused(`command is not a ${operation}`);
  const variables = request.variables.size === 0 ? null : Object.fromEntries(request.variables);
  const headers = requestHeaders(client.home, metadata.headers, request.headers);
  const withoutSecrets = sentSecrets(headerSecrets(client.home, metadata.headers, request.headers));
  const began = new Date();
  const clock = performance.now();
  const wanted = {
    method: "POST",
    address: client.home,
    headers,
    body: Buffer.from(JSON.stringify({ query: document, variables })),
    maxBody: metadata.maxResponseBodySize,
    secretHeaders: [...request.headers.keys()].map((name) => name.toLowerCase()),
  };
  const answered = await prefixed(textPrefix, client.send(wanted, signal));
  const data = dataOf(answered, withoutSecrets);
  return {
    data,
    metadata: {
      operation,
      "start-time": began.toISOString(),
      "end-time": new Date().toISOString(),
      duration: formatDuration(performance.now() - clock),
    },
  };
}

const json = "application/json; charset=utf-8";

/** The headers of a request; of two with one name the later counts. Throws a `BindingError` for what is no header. */
function requestHeaders(
  { authorization }: Address,
  ...named: readonly ReadonlyMap<string, string>[]
): RequestHeaders {
  const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
  setHeader(headers, "content-type", json);
  setHeader(headers, "accept", json);
  if (authorization !== undefined) setHeader(headers, "authorization", authorization);
  for (const map of named) for (const [name, value] of map) setHeader(headers, name, value);
  // What the answer is packed in is the client's business.
  headers.delete("accept-encoding");
  return headers;
}

function headerSecrets(
  { authorization }: Address,
  ...named: readonly ReadonlyMap<string, string>[]
): string[] {
  const values = named.flatMap((map) => [...map.values()]);
  return authorization === undefined ? values : [authorization, ...values];
}

function refused(text: string): BindingError {
  return new BindingError("invalid_argument", textPrefix + text);
}
