import { buildSchema, graphql } from "graphql";
import { startLoopback } from "../http/loopback-server.ts";
import type { LoopbackServer } from "../http/loopback-server.ts";

const schema = buildSchema(`
  type Droid { id: ID!, name: String! }
  type Query { droid(name: String): Droid, droids: [Droid!]!, broken: String, whoAmI: String }
  type Mutation { addDroid(name: String!): Droid!, break: String! }
`);

type Droid = { readonly id: string; readonly name: string };

/** A GraphQL server by GraphQL's own implementation, and what it has been told. */
export type DroidServer = LoopbackServer & { readonly droids: Droid[] };

export async function startDroids(): Promise<DroidServer> {
  const droids: Droid[] = [];
  const server = await startLoopback((received, response) => {
    const { query, variables } = JSON.parse(received.body.toString()) as {
      query: string;
      variables: Record<string, unknown> | null;
    };
    const rootValue = {
      droid: ({ name }: { name?: string }) => droids.find((one) => one.name === name) ?? null,
      droids,
      broken: () => Promise.reject(new Error("the droid is broken")),
      break: () => Promise.reject(new Error("it broke")),
      whoAmI: () => received.headers.authorization ?? null,
      addDroid({ name }: { name: string }) {
        const droid = { id: String(droids.length + 1), name };
        droids.push(droid);
        return droid;
      },
    };
    void graphql({ schema, source: query, rootValue, variableValues: variables ?? {} }).then(
      (result) => {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(result));
      },
    );
  });
  return Object.assign(server, { droids });
}
