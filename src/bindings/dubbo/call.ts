import { BindingError, messageOf } from "../../errors.ts";
import type { CallRequest } from "./fields.ts";
import { exceptionFailure, statusFailure } from "./failures.ts";
import { HessianReader } from "./hessian-reader.ts";
import { HessianWriter } from "./hessian-writer.ts";
import { genericCall, jsonText } from "./json.ts";
import type { Providers, Target } from "./providers.ts";

const protocolVersion = "2.0.2";
const ok = 20;
/** What comes before the value of a response: an exception, a value or null, from 3 on with attachments behind. */
const results = { exceptions: [0, 3], values: [1, 4] } as const;

type Calling = {
  readonly data: Uint8Array | undefined;
  readonly request: CallRequest;
  readonly signal: AbortSignal;
};

/**
 * Calls a method with arguments that are Hessian 2 already: the text of their types, as `Ljava/lang/String;`, and each
 * of them. Resolves to the body of the response, as Dapr does. Rejects with a `BindingError`.
 */
export function callRaw(providers: Providers, { data, request, signal }: Calling) {
  const target = providers.target(request);
  return send(providers, target, signal, (writer) => {
    writer.string(target.method).raw(checkedArguments(data));
    return {};
  });
}

/** Calls a method by `$invoke`, with JSON. Resolves to the JSON of what it returns. Rejects with a `BindingError`. */
export async function callGeneric(
  providers: Providers,
  { data, request, signal }: Calling,
): Promise<Uint8Array> {
  const target = providers.target(request);
  const call = genericCall(data);
  const body = await send(providers, target, signal, (writer) => {
    writer.string("$invoke");
    writer.string("Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;");
    writer.string(target.method);
    writer.array("[string", call.parameterTypes, (type) => writer.string(type));
    writer.array("[object", call.arguments, (value) => writer.json(value));
    return { generic: "true" };
  });
  const what = whatOf(target);
  let exception: unknown;
  try {
    const reader = new HessianReader(body);
    const kind = reader.read();
    if (has(results.values, kind)) return Buffer.from(jsonText(reader.read()));
    if (!has(results.exceptions, kind)) return Buffer.from("null");
    exception = reader.read();
  } catch (error) {
    const text = `${what}: the answer cannot be read: ${messageOf(error)}`;
    throw new BindingError("internal", text, { effect: "ambiguous", cause: error });
  }
  throw exceptionFailure(exception, what);
}

async function send(
  providers: Providers,
  target: Target,
  signal: AbortSignal,
  write: (writer: HessianWriter) => Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  const { host, port, path, version, group } = target;
  const { timeout } = providers.metadata;
  const writer = new HessianWriter();
  writer.string(protocolVersion).string(path).string(version);
  const more = write(writer);
  writer.attachments({
    ...{ path, interface: path, version, group, timeout: String(Math.ceil(timeout)) },
    ...more,
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
  const connection = await providers.to(host, port);
  const { status, body } = await connection.call(writer.bytes(), limit);
  if (status !== ok) throw statusFailure(status, body, whatOf(target));
  return body;
}

/** They are read once: what is no Hessian would be taken for something else. */
function checkedArguments(data: Uint8Array = new Uint8Array()): Uint8Array {
  if (data.length === 0) return new HessianWriter().string("").bytes();
  try {
    const reader = new HessianReader(data);
    const types = reader.read();
    if (typeof types !== "string") throw new Error("it does not begin with a text");
    for (let count = countOf(types); count > 0; count--) reader.read();
    if (!reader.isAtEnd) throw new Error("there is more than the types tell of");
    return data;
  } catch (error) {
    throw new BindingError(
      "invalid_argument",
      `dubbo: the data are not the text of the parameters' types and each argument, in Hessian 2 (${messageOf(error)}); the operation invoke takes JSON`,
      { cause: error },
    );
  }
}

/** How many types a descriptor of Java's names. */
function countOf(types: string): number {
  const names = types.match(/\[*(?:[ZBCDFIJSV]|L[^;]+;)/g) ?? [];
  if (names.join("") !== types) throw new Error("the types are none of Java's");
  return names.length;
}

function whatOf({ path, method }: Target): string {
  return `dubbo: ${path}.${method}`;
}

function has(list: readonly number[], value: unknown): boolean {
  return typeof value === "number" && list.includes(value);
}
