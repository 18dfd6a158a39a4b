import { BindingError } from "../../errors.ts";
import { requestHeadOf, type HandlerContext } from "../../grpc/handler-context.ts";
import { createService, type Service } from "../../grpc/service.ts";
import { Code, GrpcFailure } from "../../grpc/status.ts";
import { answering } from "../../rpc/errors.ts";
import { reflectionServices } from "../../rpc/reflection.ts";
import { InputBinding, instanceHeader, type InvokeRequest, OutputBinding } from "../protocol.ts";
import { type Direction, Instance, type InstanceOptions } from "./instance.ts";

/** The services of a type on its socket, and the instances that were initialized by them. */
export class ComponentServices {
  readonly services: readonly Service[];
  readonly #options: InstanceOptions;
  readonly #instances = new Map<string, Instance>();
  /** Initializations of one instance come one after another. */
  readonly #initializing = new Map<string, Promise<unknown>>();
  #closed = false;

  constructor(options: InstanceOptions) {
    this.#options = options;
    const { binding } = options;
    const services = [
      ...(binding.read === undefined ? [] : [this.#input()]),
      ...(binding.operations === undefined ? [] : [this.#output()]),
    ];
    this.services = [...services, ...reflectionServices(services.map(({ desc }) => desc))];
  }

  /** Hands a stray failure to the component on whose behalf it came. False: it is none's. */
  blame(error: unknown): boolean {
    return [...this.#instances.values()].some(({ runtime }) => runtime.blame(error));
  }

  async close(deadline: number): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#instances.values()].map((one) => one.close(deadline)));
  }

  #input(): Service {
    return createService(InputBinding, {
      init: ({ metadata }, context) => this.#initialize("input", metadata?.properties, context),
      ping: (_, context) => this.#ping("input", context),
      read: (acknowledgements, context) => {
        const { app } = this.#found("input", context);
        return app?.attach(acknowledgements) ?? nothing();
      },
    });
  }

  #output(): Service {
    return createService(OutputBinding, {
      init: ({ metadata }, context) => this.#initialize("output", metadata?.properties, context),
      ping: (_, context) => this.#ping("output", context),
      listOperations: () => ({ operations: Object.keys(this.#options.binding.operations ?? {}) }),
      invoke: (request, context) => answering(() => this.#invoke(request, context)),
    });
  }

  #initialize(
    direction: Direction,
    properties: Readonly<Record<string, string>> = {},
    context: HandlerContext,
  ): Promise<object> {
    const name = instanceOf(context);
    const key = keyOf(direction, name);
    const before = this.#initializing.get(key) ?? Promise.resolve();
    const initializing = before.then(() => this.#open(direction, name, properties));
    this.#initializing.set(
      key,
      initializing.catch(() => undefined),
    );
    return answering(() => initializing);
  }

  async #open(
    direction: Direction,
    name: string,
    properties: Readonly<Record<string, string>>,
  ): Promise<object> {
    if (this.#closed) throw new BindingError("unavailable", "the component's process is ending");
    const key = keyOf(direction, name);
    const known = this.#instances.get(key);
    const instance = known ?? new Instance(this.#options, { name, direction });
    this.#instances.set(key, instance);
    try {
      await instance.initialize(properties);
    } catch (error) {
      // Whoever was told that it does not work must not get its events later.
      if (known === undefined) {
        this.#instances.delete(key);
        await instance.close(0);
      }
      throw error;
    }
    return {};
  }

  async #ping(direction: Direction, context: HandlerContext): Promise<object> {
    const instance = this.#instances.get(keyOf(direction, instanceOf(context)));
    const { trouble } = instance ?? {};
    return answering(() => {
      if (trouble !== undefined) throw new BindingError("unavailable", trouble);
      return {};
    });
  }

  async #invoke({ operation, data, metadata }: InvokeRequest, context: HandlerContext) {
    const { runtime, name } = this.#found("output", context);
    const left = context.timeoutMs();
    const answer = await runtime.invoke({
      ...{ name, operation, data, metadata, signal: context.signal },
      encoding: "bytes",
      ...(left === undefined ? {} : { deadline: performance.now() + left }),
    });
    return { data: answer?.data ?? new Uint8Array(), metadata: answer?.metadata ?? {} };
  }

  #found(direction: Direction, context: HandlerContext): Instance {
    const name = instanceOf(context);
    const instance = this.#instances.get(keyOf(direction, name));
    if (instance !== undefined) return instance;
    throw new GrpcFailure(
      Code.failedPrecondition,
      `instance ${JSON.stringify(name)} was not initialized as an ${direction} binding: Init comes first`,
    );
  }
}

function keyOf(direction: Direction, name: string): string {
  return `${direction} ${name}`;
}

/** Who sends none has one component of the type. */
function instanceOf(context: HandlerContext): string {
  const id = requestHeadOf(context).get(instanceHeader);
  return id === undefined || id === "" ? "component" : decoded(id);
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

async function* nothing(): AsyncGenerator<never> {}
