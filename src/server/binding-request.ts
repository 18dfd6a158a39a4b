import { JsonError, JsonScanner, type Span } from "./go-json.ts";

/** The body of Dapr's `POST /v1.0/bindings/{name}`. */
export type BindingRequest = {
  readonly operation: string;
  /** The JSON text of `data`, byte for byte; `undefined`: absent. */
  readonly data: Buffer | undefined;
  readonly metadata: Record<string, string>;
};

/**
 * Reads the body as daprd does (keys in any case, unknown ones ignored, the last of repeated ones), but leaves
 * `data` as it was written, and takes nothing behind the value. Throws a {@link JsonError}.
 */
export function readBindingRequest(body: Buffer): BindingRequest {
  const scanner = new JsonScanner(body);
  const start = scanner.skipSpace(0, "EOF");
  const kind = scanner.kind(start);
  if (kind !== "object") {
    scanner.expectEnd(scanner.skipValue(start));
    if (kind === "null") return { operation: "", data: undefined, metadata: {} };
    throw new JsonError(
      `json: cannot unmarshal ${kind} into Go value of type http.OutputBindingRequest`,
    );
  }
  let operation = "";
  let data: Buffer | undefined;
  const metadata: Record<string, string> = {};
  let wrong: JsonError | undefined;
  const end = scanner.members(start, (key, value) => {
    try {
      switch (key.toLowerCase()) {
        case "operation":
          operation = textField(scanner, value, "operation") ?? operation;
          break;
        case "data":
          data = body.subarray(value.start, value.end);
          break;
        case "metadata":
          metadataField(scanner, value, metadata);
          break;
        default:
      }
    } catch (error) {
      // Go reads on after a wrong type and tells of the first; a syntax error further on goes before it.
      if (!(error instanceof JsonError)) throw error;
      wrong ??= error;
    }
  });
  scanner.expectEnd(end);
  if (wrong !== undefined) throw wrong;
  return { operation, data, metadata };
}

function textField(scanner: JsonScanner, value: Span, field: string): string | undefined {
  const kind = scanner.kind(value.start);
  if (kind === "null") return undefined;
  if (kind === "string") return scanner.text(value);
  throw cannotUnmarshal(kind, field, "string");
}

/** Repeated objects add up, as in Go. */
function metadataField(scanner: JsonScanner, value: Span, metadata: Record<string, string>): void {
  const kind = scanner.kind(value.start);
  if (kind === "null") return;
  if (kind !== "object") throw cannotUnmarshal(kind, "metadata", "map[string]string");
  scanner.members(value.start, (key, member) => {
    const text = textField(scanner, member, "metadata") ?? "";
    if (key === "__proto__") defineOwn(metadata, key, text);
    else metadata[key] = text;
  });
}

/** A key such as `__proto__` is a key like any other, which assigning it is not. */
function defineOwn(metadata: Record<string, string>, key: string, value: string): void {
  Object.defineProperty(metadata, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function cannotUnmarshal(kind: string, field: string, type: string): JsonError {
  return new JsonError(
    `json: cannot unmarshal ${kind} into Go struct field OutputBindingRequest.${field} of type ${type}`,
  );
}
