import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Answer, Call, Offers, Opening } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { CallFailure, GrpcClient } from "../../grpc/client.ts";
import { withReflection } from "../../grpc/reflection-client.ts";
import { Code } from "../../grpc/status.ts";
import type { Fields } from "../../metadata/fields.ts";
import type { Reader, Reading } from "../../reading.ts";
import {
  InputBinding,
  InputBindingInitRequestSchema,
  instanceHeader,
  InvokeRequestSchema,
  InvokeResponseSchema,
  ListOperationsResponseSchema,
  OutputBinding,
  OutputBindingInitRequestSchema,
  paths,
} from "../protocol.ts";
import { callFailure, messageOf } from "./failures.ts";
import type { pluggableFields } from "./fields.ts";
import type { Instance, Instances } from "./instances.ts";
import { ComponentReader } from "./reader.ts";
import type { SocketWait } from "./socket-wait.ts";

/** The largest answer that is taken, in bytes. */
const largestAnswer = 100 * 1024 * 1024;
/** Milliseconds for the question which services there are. */
const reflectionTimeout = 10_000;

type Reach = { readonly type: string; readonly wait: SocketWait; readonly instances: Instances };

type Headers = Readonly<Record<string, string>>;

/** An instance of a pluggable component. It lives as long as its connection: behind another one there may be another process. */
export class PluggableConnection implements AsyncDisposable {
  readonly offers: Offers;
  readonly #client: GrpcClient;
  readonly #headers: Headers;
  readonly #release: () => void;
  readonly #name: string;

  private constructor(
    client: GrpcClient,
    { headers, release, name }: { headers: Headers; release: () => void; name: string },
    offers: Offers,
  ) {
    this.#client = client;
    this.#headers = headers;
    this.#release = release;
    this.#name = name;
    this.offers = offers;
  }

  /** Connects, and initializes what the component offers of what is wanted. Throws a `BindingError`. */
  static async open(
    opening: Opening<typeof pluggableFields>,
    { type, wait, instances }: Reach,
  ): Promise<PluggableConnection> {
    const { component, memory, signal, lost } = opening;
    const socket = await wait.find(type, component.name, signal);
    const client = new GrpcClient({
      ...{ socket, lazy: true, retryRefused: false },
      answers: { maxBytes: largestAnswer, memory: memory.forAnswers },
    });
    const instance = instances.take(socket, component.name);
    let forget = (): void => {};
    const release = (): void => {
      forget();
      instance.release();
    };
    try {
      const offers = await initialize(client, opening, { socket, instance });
      if (!client.connection.ready)
        throw new BindingError("unavailable", client.connection.reason, { effect: "unsent" });
      forget = client.connection.onChange(() => {
        const { ready, reason } = client.connection;
        if (!ready) lost(new BindingError("unavailable", reason));
      });
      const headers = headersOf(instance);
      return new PluggableConnection(client, { headers, release, name: component.name }, offers);
    } catch (error) {
      release();
      await client.close();
      throw error;
    }
  }

  async invoke({
    operation,
    data,
    properties,
    signal,
    deadline,
  }: Call<Fields, Fields>): Promise<Answer> {
    const { operations } = this.offers;
    if (!operations.includes(operation)) {
      const text = `binding ${this.#name} does not support operation ${operation}. supported operations:${operations.join(" ")}`;
      throw new BindingError("unimplemented", text);
    }
    const request = create(InvokeRequestSchema, {
      ...{ operation, metadata: { ...properties } },
      data: data ?? new Uint8Array(),
    });
    const timeout = deadline === undefined ? undefined : deadline - performance.now();
    if (timeout !== undefined && timeout <= 0) {
      const text = "the deadline passed before the call was sent";
      throw new BindingError("deadline_exceeded", text, { effect: "unsent" });
    }
    const result = await this.#client.unary(paths.invoke, toBinary(InvokeRequestSchema, request), {
      ...{ headers: this.#headers, signal },
      ...(timeout === undefined ? {} : { timeout: Math.max(1, Math.round(timeout)) }),
    });
    const answer = fromBinary(InvokeResponseSchema, messageOf(result, ""));
    return { data: answer.data, metadata: answer.metadata };
  }

  read(reading: Reading<Fields>): Reader {
    return new ComponentReader(this.#client, this.#headers, reading);
  }

  /** A component without the method is there. */
  async ping(signal: AbortSignal): Promise<void> {
    const path = this.offers.output ? paths.pingOutput : paths.pingInput;
    const result = await this.#client.unary(path, new Uint8Array(), {
      ...{ headers: this.#headers, signal },
    });
    messageOf(result, "ping: ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#release();
    await this.#client.close();
  }
}

function headersOf({ id }: Instance): Headers {
  return { [instanceHeader]: encodeURI(id) === id ? id : encodeURIComponent(id) };
}

type Place = { readonly socket: string; readonly instance: Instance };

async function initialize(
  client: GrpcClient,
  { metadata, directions, signal }: Opening<typeof pluggableFields>,
  place: Place,
): Promise<Offers> {
  const services = await servicesOf(client, place, signal);
  const properties = Object.fromEntries(metadata.properties);
  const declared = wordsOf(properties);
  const offered = {
    input: services.includes(InputBinding.typeName),
    output: services.includes(OutputBinding.typeName),
  };
  if (!offered.input && !offered.output) {
    const list = services.filter((name) => !name.startsWith("grpc.")).join(", ");
    throw refused(`${place.socket} offers no binding, but ${list || "nothing"}`);
  }
  for (const direction of ["input", "output"] as const) {
    if (directions[direction] && !offered[direction] && declared.includes(direction))
      throw refused(
        `the metadata direction names ${direction}, and ${place.socket} offers no ${direction} binding`,
      );
  }
  const input = directions.input && offered.input;
  const output = directions.output && offered.output;
  const options = { headers: headersOf(place.instance), signal };
  const init = { metadata: { properties } };
  if (input) {
    const request = create(InputBindingInitRequestSchema, init);
    const message = toBinary(InputBindingInitRequestSchema, request);
    messageOf(await client.unary(paths.initInput, message, options), "");
  }
  if (!output) return { input, output, operations: [] };
  const request = create(OutputBindingInitRequestSchema, init);
  const message = toBinary(OutputBindingInitRequestSchema, request);
  messageOf(await client.unary(paths.initOutput, message, options), "");
  const listed = await client.unary(paths.listOperations, new Uint8Array(), options);
  const { operations } = fromBinary(
    ListOperationsResponseSchema,
    messageOf(listed, "its operations cannot be listed: "),
  );
  return { input, output, operations };
}

async function servicesOf(
  client: GrpcClient,
  { socket }: Place,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const options = { headers: {}, signal, timeout: reflectionTimeout };
  try {
    const { services, error } = await withReflection(client, options, (asking) =>
      asking.ask({ listServices: true }),
    );
    if (error !== undefined) throw new CallFailure("failed", error.code, error.message);
    return services;
  } catch (error) {
    if (
      error instanceof CallFailure &&
      error.kind === "failed" &&
      error.code === Code.unimplemented
    )
      throw refused(
        `${socket} has no gRPC reflection, by which the services of a component are found`,
      );
    throw callFailure(error, `the services of ${socket} cannot be listed: `);
  }
}

function wordsOf(properties: Readonly<Record<string, string>>): readonly string[] {
  const name = Object.keys(properties).find((one) => one.toLowerCase() === "direction");
  const text = name === undefined ? "" : (properties[name] ?? "");
  return text.split(",").map((word) => word.trim().toLowerCase());
}

function refused(text: string): BindingError {
  return new BindingError("failed_precondition", text, { effect: "unsent" });
}
