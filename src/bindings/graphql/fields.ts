import { byPrefix, byteSize, string } from "../../metadata/fields.ts";

/** The metadata of a GraphQL component, as Dapr names it, and a limit of ours. */
export const graphqlFields = {
  endpoint: string({
    description: "The URL that queries and mutations are sent to.",
    required: true,
    example: "https://api.example.com/graphql",
  }),
  headers: byPrefix(
    "header:",
    string({
      description: "The value of the request header NAME, sent with each call.",
      sensitive: true,
      example: "Bearer …",
    }),
  ),
  maxResponseBodySize: byteSize({
    description:
      "The maximum size of an answer. A larger one is an error. Dapr has no such field and no limit.",
    default: "100Mi",
    within: "answer",
  }),
} as const;

const named = {
  headers: byPrefix(
    "header:",
    string({
      description: "The value of the request header NAME. Replaces the component's.",
      sensitive: true,
      example: "Bearer …",
    }),
  ),
  variables: byPrefix(
    "variable:",
    string({
      description: "The value of the variable NAME, always a string.",
      example: "R2-D2",
    }),
  ),
} as const;

export const queryFields = {
  query: string({
    description: "The document to run. It must start with `query`. Required.",
    example: "query ($name: String) { droid(name: $name) { id } }",
  }),
  ...named,
} as const;

export const mutationFields = {
  mutation: string({
    description: "The document to run. It must start with `mutation`. Required.",
    example: "mutation ($name: String!) { addDroid(name: $name) { id } }",
  }),
  ...named,
} as const;
