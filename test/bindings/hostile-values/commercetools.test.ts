import commercetools from "../../../src/bindings/commercetools/index.ts";
import { shopAt, startCommercetools } from "../../servers/commercetools.ts";
import { endAfterTest } from "../contract.ts";
import { testHostileValues } from "./suite.ts";

const mutation = "mutation A($text: String!) { createOrder(text: $text) { id } }";

testHostileValues(commercetools, ["a variable", "the document", "the operation"], async () => {
  const server = await startCommercetools();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const asking = (members: object) => ({
    data: JSON.stringify({ commercetoolsAPI: "GraphQLQuery", query: mutation, ...members }),
  });
  const asked = (name: string) => async () =>
    server.received.splice(0).flatMap(({ url, body }) => {
      if (url === "/oauth/token") return [];
      const members = JSON.parse(body.toString()) as Record<string, unknown>;
      return [String(members[name])];
    });
  // What it was sent is looked at here: GraphQL refuses a document or a name that is none.
  const answerAlways = (): void => {
    Object.assign(server.state, { status: 200, body: '{"data":{}}' });
  };
  return {
    properties: shopAt(server.url),
    places: {
      "a variable": {
        send: (output, text) => output.invoke("create", {}, asking({ variables: { text } })),
        arrived: async () => server.orders.splice(0).map(({ text }) => text),
      },
      "the document": {
        send(output, query) {
          answerAlways();
          return output.invoke("create", {}, asking({ query }));
        },
        arrived: asked("query"),
      },
      "the operation": {
        send(output, operationName) {
          answerAlways();
          return output.invoke("create", {}, asking({ operationName }));
        },
        arrived: asked("operationName"),
      },
    },
  };
});
