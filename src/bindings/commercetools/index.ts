import { abortable, abortFailure } from "../../abortable.ts";
import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { ServiceClient } from "../../http-client/service-client.ts";
import { clientCredentials } from "../../oauth/client-credentials.ts";
import { keptToken } from "../../oauth/token.ts";
import { largestTokenAnswer } from "../../memory/bounded-text.ts";
import { commercetoolsFields } from "./fields.ts";
import { placeOf } from "./place.ts";
import { requestOf } from "./request.ts";
import { dataOf, textPrefix } from "./response.ts";

/** Asks a commercetools project by GraphQL. */
export default defineBinding({
  name: "commercetools",
  status: "beta",
  summary: "Runs GraphQL queries and mutations in a commercetools project.",
  provedBy: [{ system: "commercetools", kind: "stand-in" }],
  metadata: commercetoolsFields,

  check: (metadata) => problemsOf([() => placeOf(metadata)]),

  async open({ metadata, memory, hide }) {
    const { graphql, tokens, tokenUrl } = placeOf(metadata);
    const { clientID, clientSecret, scopes, caCert } = metadata;
    const client = await ServiceClient.open({ url: tokenUrl, memory, hide, caCert });
    const token = keptToken(
      clientCredentials({
        ...{ endpoint: tokenUrl, clientId: clientID, password: clientSecret, scopes: [scopes] },
        ...{ prove: async () => ({}), hide, prefix: `${textPrefix}: ` },
        async post(form, headers, signal) {
          const request = { method: "POST", address: tokens, headers, body: Buffer.from(form) };
          const limits = { maxBody: largestTokenAnswer, secret: clientSecret };
          const { status, body } = await client.ask({ ...request, ...limits }, signal);
          return { status, body: body.toString("utf8") };
        },
      }),
    );
    return { client, graphql, token, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
  },

  async examine({ client, graphql, token }, questions) {
    const { metadata, signal, unknown } = questions;
    // The schema's own field: nothing of the project is read.
    const body = Buffer.from(JSON.stringify({ query: "query { __typename }" }));
    const request = async (): Promise<void> => {
      const secret = await abortable(token(), signal);
      const headers = {
        authorization: `Bearer ${secret}`,
        "content-type": "application/json; charset=utf-8",
        accept: "application/json; charset=utf-8",
      };
      const wanted = { method: "POST", address: graphql, headers, body, secret };
      dataOf(await client.ask({ ...wanted, maxBody: metadata.maxResponseBodySize }, signal));
    };
    const project = `project ${metadata.projectKey}`;
    const told = [
      ["authenticated", ""],
      ["exists", project],
    ] as const;
    await examineByRequest(questions, request, told);
    unknown("may write", project, "each query and mutation needs a scope of its own");
  },

  operations: {
    create: {
      description:
        "Runs a query or a mutation. The data are a JSON object with `commercetoolsAPI`, which is `GraphQLQuery`, and `query`; the answer is the JSON of its `data`.",
      request: {},
      async invoke({ client, graphql, token }, { data, metadata, signal }) {
        const request = requestOf(data);
        const late = (): unknown => abortFailure(textPrefix, signal.reason, "unsent");
        const secret = await abortable(token(), signal, late);
        const asking = client.ask(
          {
            method: "POST",
            address: graphql,
            headers: {
              authorization: `Bearer ${secret}`,
              "content-type": "application/json; charset=utf-8",
              accept: "application/json; charset=utf-8",
            },
            body: Buffer.from(JSON.stringify(request)),
            ...{ maxBody: metadata.maxResponseBodySize, secret },
          },
          signal,
        );
        const answered = await prefixed(`${textPrefix}: `, asking);
        if (answered.status === 401) token.refused(secret);
        return { data: dataOf(answered) };
      },
    },
  },
});
