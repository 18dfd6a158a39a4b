import { BindingError } from "../../../errors.ts";
import { isObject } from "../../../http-client/service-client.ts";

/** Cosmos DB takes no longer value of a partition key, in bytes. */
const longestPartitionKey = 2048;

/** The header that names the partition of a document. Throws a `BindingError`, in Dapr's words where it has some. */
export function partitionOf(data: Uint8Array | undefined, path: string): string {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(data ?? []).toString("utf8"));
  } catch {
    throw wrong("the document is no JSON");
  }
  if (!isObject(document)) throw wrong("the document is no JSON object");
  const value = lookUp(document, path.split("."), path);
  if (typeof value !== "string") throw wrong("partition key is not a string");
  if (value === "") throw wrong(`partitionKey field ${path} from request body is empty`);
  if (Buffer.byteLength(value) > longestPartitionKey)
    throw wrong(`partitionKey field ${path} is longer than ${longestPartitionKey} bytes`);
  return asciiJson([value]);
}

function lookUp(
  document: Readonly<Record<string, unknown>>,
  [first = "", ...rest]: readonly string[],
  path: string,
): unknown {
  const missing = `missing partitionKey field ${path} from request body - `;
  if (!Object.hasOwn(document, first)) throw wrong(`${missing}key not found ${first}`);
  const value = document[first];
  if (rest.length === 0) return value;
  if (!isObject(value)) throw wrong(`${missing}invalid structure at ${first}`);
  return lookUp(value, rest, path);
}

/** JSON that a header can carry. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
