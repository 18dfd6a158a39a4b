import { BindingError } from "../../errors.ts";
import { isObject } from "../../http-client/service-client.ts";

/** The body of a request, as GraphQL has it. */
export type GraphqlRequest = {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly operationName?: string;
};

/** The request in a call's data, whose names Dapr takes in any case. Throws a `BindingError`. */
export function requestOf(data: Uint8Array | undefined): GraphqlRequest {
  const members = membersOf(data);
  const api = text(members, "commercetoolsAPI");
  if (!api) throw refused("No commercetools API provided");
  if (api !== "GraphQLQuery")
    throw refused(`the API ${JSON.stringify(api.slice(0, 100))} is not known; GraphQLQuery is`);
  const query = text(members, "query");
  if (!query) throw refused("No GraphQL query is provided");
  const variables = members.get("variables");
  if (variables !== undefined && variables !== null && !isObject(variables))
    throw refused("variables is no object");
  const operationName = text(members, "operationName");
  return {
    query,
    ...(isObject(variables) ? { variables } : {}),
    ...(operationName ? { operationName } : {}),
  };
}

/** The members by their names in small letters; of two the last, as Go has it. */
function membersOf(data: Uint8Array | undefined): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data ?? []).toString("utf8"));
  } catch {
    // The engine's message quotes the text, which may be anything.
    throw refused("the data are no JSON");
  }
  if (!isObject(value)) throw refused("the data are no JSON object");
  return new Map(Object.entries(value).map(([name, one]) => [name.toLowerCase(), one]));
}

function text(members: ReadonlyMap<string, unknown>, name: string): string | undefined {
  const value = members.get(name.toLowerCase());
  if (value === undefined || value === null || typeof value === "string") return value ?? undefined;
  throw refused(`${name} is no text`);
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `commercetools error: ${why}`);
}
