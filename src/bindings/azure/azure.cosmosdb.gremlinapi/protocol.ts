import { insideArray, membersOf } from "./json-members.ts";

/** GraphSON 2.0, the format that Cosmos DB takes. */
const mimeType = "application/vnd.gremlin-v2.0+json";
const prefix = Buffer.from(`${String.fromCharCode(mimeType.length)}${mimeType}`, "latin1");

export type Query = {
  readonly gremlin: string;
  /** An object of JSON as the caller wrote it. */
  readonly bindings: string | undefined;
};

/** One response to a request; there are several where the result comes in parts. */
export type Response = {
  /** `undefined`: it belongs to no request. */
  readonly id: string | undefined;
  readonly code: number;
  readonly message: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The result, as JSON, as it was written. */
  readonly data: string;
};

export function encodeQuery(id: string, { gremlin, bindings }: Query): Buffer {
  const named = bindings === undefined ? "" : `,"bindings":${bindings}`;
  const args = `{"gremlin":${JSON.stringify(gremlin)},"language":"gremlin-groovy"${named}}`;
  return encode(id, "eval", "", args);
}

/** What a challenge is answered with: SASL's mechanism PLAIN. */
export function encodeLogin(id: string, sasl: string): Buffer {
  const args = JSON.stringify({ saslMechanism: "PLAIN", sasl });
  return encode(id, "authentication", "traversal", args);
}

/** SASL's PLAIN, in base64. */
export function plainLogin(username: string, password: string): string {
  return Buffer.from(`\0${username}\0${password}`).toString("base64");
}

function encode(id: string, op: string, processor: string, args: string): Buffer {
  const requestId = `{"@type":"g:UUID","@value":"${id}"}`;
  const text = `{"requestId":${requestId},"op":"${op}","processor":"${processor}","args":${args}}`;
  return Buffer.concat([prefix, Buffer.from(text)]);
}

/** Throws for what is no response. */
export function decodeResponse(text: string): Response {
  const whole = membersOf(text);
  const id = plain(JSON.parse(whole.get("requestId") ?? "null"));
  const status = JSON.parse(whole.get("status") ?? "null") as Record<string, unknown> | null;
  const code = plain(status?.["code"]);
  if (typeof code !== "number") throw new SyntaxError("it has no status");
  const { message, attributes } = status ?? {};
  return {
    id: typeof id === "string" ? id.toLowerCase() : undefined,
    code,
    message: typeof message === "string" ? message : "",
    attributes: attributesOf(attributes),
    data: membersOf(whole.get("result") ?? "{}").get("data") ?? "null",
  };
}

function attributesOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}

/** GraphSON writes some values with their type. */
function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null && "@value" in value ? value["@value"] : value;
}

/** The parts of a result as one; each is an array, of which one alone is left as it was written. */
export function joined(parts: readonly string[]): string {
  const [first = "null"] = parts;
  if (parts.length < 2) return first;
  const inner = parts.map((part) => {
    const inside = part === "null" ? "" : insideArray(part);
    if (inside === undefined) throw new SyntaxError("a part of it is no array");
    return inside;
  });
  return `[${inner.filter((part) => part !== "").join(",")}]`;
}
