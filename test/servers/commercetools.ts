import { randomBytes } from "node:crypto";
import { buildSchema, graphql, GraphQLError } from "graphql";
import { startLoopback } from "../bindings/http/loopback-server.ts";

export const projectKey = "shop-test";
export const clientId = "client-1";
export const clientSecret = "the secret/of+client-1";
export const scopes = `manage_orders:${projectKey} view_products:${projectKey}`;

/** The metadata of a component that asks a stand-in there. */
export const shopAt = (url: string) => ({
  ...{ region: "europe-west1", provider: "gcp", projectKey, scopes },
  ...{ clientID: clientId, clientSecret, apiUrl: url, authUrl: url },
});

const schema = buildSchema(`
  type Query { project: Project, product(id: String!): Product, products(limit: Int): [Product!] }
  type Mutation {
    createOrder(text: String!): Order
    updateOrder(id: String!, version: Int!): Order
  }
  type Project { key: String!, name: String! }
  type Product { id: String!, sku: String, centAmount: Int }
  type Order { id: String!, version: Int!, text: String! }
`);

/**
 * A stand-in for commercetools: the server of tokens (`POST /oauth/token`, client credentials) and a project's GraphQL
 * API, written from commercetools' reference of its authorization, of its GraphQL API and of its errors. GraphQL itself is
 * that of graphql-js, with a schema that is a small part of commercetools'. `listen`: see {@link startLoopback}.
 */
export async function startCommercetools(...listen: ListenOptions) {
  const orders: { id: string; version: number; text: string }[] = [];
  const given: string[] = [];
  const state: {
    /** Answered in place of what GraphQL would. */
    status: number;
    body: string;
    /** Seconds for which tokens are good. */
    lifetime: number;
  } = { status: 0, body: "", lifetime: 172_800 };
  const resolvers = {
    project: () => ({ key: projectKey, name: "Shop" }),
    product: ({ id }: { id: string }) => ({ id, sku: "A-1", centAmount: 1_000 }),
    products({ limit = 20 }: { limit?: number }) {
      if (limit <= 500) return [{ id: "1" }];
      throw coded("InvalidInput", "Malformed parameter: limit: it must be from 0 to 500.");
    },
    createOrder({ text }: { text: string }) {
      const order = { id: String(orders.length + 1), version: 1, text };
      orders.push(order);
      return order;
    },
    updateOrder({ id, version }: { id: string; version: number }) {
      const order = orders.find((one) => one.id === id);
      if (order === undefined)
        throw coded("ResourceNotFound", `The Resource with ID '${id}' was not found.`);
      if (order.version !== version)
        throw coded(
          "ConcurrentModification",
          `Object ${id} has a different version than expected. Expected: ${version} - Actual: ${order.version}.`,
        );
      order.version++;
      return order;
    },
  };
  const server = await startLoopback(
    ({ method, url, headers, body }, response) => {
      const answer = (status: number, value: object): void =>
        void response
          .writeHead(status, { "content-type": "application/json; charset=utf-8" })
          .end(JSON.stringify(value));
      const refuse = (status: number, code: string, message: string): void =>
        answer(status, { statusCode: status, message, errors: [{ code, message }] });
      const refuseClient = (status: number, code: string, message: string): void =>
        answer(status, {
          ...{ statusCode: status, message, errors: [{ code, message }] },
          ...{ error: code, error_description: message },
        });
      if (method === "POST" && url === "/oauth/token") {
        const proof = Buffer.from(
          /^Basic (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "",
          "base64",
        );
        const [id, secret] = proof
          .toString()
          .split(":")
          .map((one) => decodeURIComponent(one.replaceAll("+", " ")));
        if (id !== clientId || secret !== clientSecret)
          return refuseClient(401, "invalid_client", "Please provide valid client credentials.");
        const form = new URLSearchParams(body.toString());
        if (form.get("grant_type") !== "client_credentials")
          return refuseClient(400, "unsupported_grant_type", "The grant type is not supported.");
        const asked = (form.get("scope") ?? "").split(" ").filter(Boolean);
        const unknown = asked.find((one) => !scopes.split(" ").includes(one));
        if (unknown !== undefined)
          return refuseClient(400, "invalid_scope", `Permissions exceeded: '${unknown}'.`);
        const token = randomBytes(24).toString("base64url");
        given.push(token);
        return answer(200, {
          ...{ access_token: token, token_type: "Bearer", scope: asked.join(" ") || scopes },
          expires_in: state.lifetime,
        });
      }
      const token = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
      if (!given.includes(token)) return refuseClient(401, "invalid_token", "invalid_token");
      if (url !== `/${projectKey}/graphql`)
        return refuse(403, "insufficient_scope", "The token has no scope of that project.");
      if (method !== "POST") return refuse(405, "InvalidOperation", "Method Not Allowed");
      if (state.status !== 0) return void response.writeHead(state.status).end(state.body);
      const asked = parsed(body);
      if (typeof asked?.query !== "string")
        return refuse(400, "InvalidJsonInput", "Request body does not contain valid JSON.");
      return void graphql({
        ...{ schema, rootValue: resolvers, source: asked.query },
        variableValues: asked.variables ?? null,
        operationName: asked.operationName ?? null,
      }).then((result) => {
        const invalid = result.errors?.some(
          ({ extensions }) => extensions["code"] === "InvalidInput",
        );
        answer(result.errors !== undefined && (invalid || !("data" in result)) ? 400 : 200, result);
      });
    },
    ...listen,
  );
  return Object.assign(server, { orders, given, state });
}

type ListenOptions =
  Parameters<typeof startLoopback> extends [unknown?, ...infer Rest] ? Rest : never;

function coded(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}

type Asked = {
  readonly query?: unknown;
  readonly variables?: Record<string, unknown>;
  readonly operationName?: string;
};

function parsed(body: Buffer): Asked | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
