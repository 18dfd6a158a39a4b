import type { Answer, StreamAnswer } from "../binding.ts";
import { BindingError } from "../errors.ts";
import { pauseAfter, type RetryPolicy } from "../policy/retry.ts";
import type { Component } from "./component.ts";
import type { Opened } from "./opening.ts";
import type { Invocation, StreamInvocation } from "./invocation.ts";
import { ObservedBody } from "./observed-body.ts";
import type { Observer } from "./observer.ts";
import { pause } from "./pause.ts";
import { requestParser, type RequestParser } from "./request.ts";
import { withoutSecrets, type Redact } from "./secrets.ts";

type AnyOperation = NonNullable<Component["binding"]["operations"]>[string];

/** The way out: name → component → operation → the binding's driver, by the component's policy. */
export class Outputs {
  readonly #components: ReadonlyMap<string, Component>;
  readonly #observer: Observer;
  readonly #parsers = new WeakMap<AnyOperation, RequestParser>();

  constructor(components: ReadonlyMap<string, Component>, observer: Observer) {
    this.#components = components;
    this.#observer = observer;
  }

  /** See `Runtime.invoke`. */
  async invoke(invocation: Invocation): Promise<Answer | undefined> {
    return this.#run(this.#find(invocation), invocation);
  }

  /** See `Runtime.takesStream`. */
  takesStream(name: string, operation: string): boolean {
    return findOperation(this.#find({ name, operation }), operation).invokeStream !== undefined;
  }

  /** See `Runtime.invokeStream`. */
  async invokeStream(invocation: StreamInvocation): Promise<StreamAnswer | undefined> {
    const component = this.#find(invocation);
    const { name, operation } = invocation;
    const started = performance.now();
    const observe = (error: BindingError | undefined): void =>
      this.#observer.invoked(name, operation, error, performance.now() - started);
    const found = findOperation(component, operation);
    let redact: Redact | undefined;
    const shown = (thrown: unknown): BindingError => shownFailure(thrown, redact);
    try {
      const opened = component.opened ?? (await component.whenOpened(invocation.signal));
      ({ redact } = opened);
      const answer = await this.#attempt(component, found, invocation, opened);
      if (answer?.body !== undefined) {
        return { ...answer, body: new ObservedBody(answer.body, { shown, ended: observe }) };
      }
      observe(undefined);
      return answer;
    } catch (thrown) {
      const error = shown(thrown);
      observe(error);
      throw error;
    }
  }

  /** Invokes `create` on the runtime's own behalf, for a reply's `to`. */
  async create(name: string, data: Uint8Array | undefined): Promise<void> {
    await this.invoke(ownInvocation(name, "create", data, {}));
  }

  /** Saves a state in a state store, for a reply's `states`. */
  async save(name: string, key: string, value: Uint8Array): Promise<void> {
    const component = this.#components.get(name);
    if (component === undefined || !component.isStateStore) {
      throw new BindingError("not_found", `couldn't find state store ${name}`);
    }
    await this.#run(component, ownInvocation(name, "set", value, { key }));
  }

  #find({ name, operation }: Pick<Invocation, "name" | "operation">): Component {
    if (operation === "")
      throw new BindingError("invalid_argument", "operation field is missing from request");
    const component = this.#components.get(name);
    if (component === undefined || !component.isOutput || component.isStateStore) {
      throw new BindingError("not_found", `couldn't find output binding ${name}`);
    }
    return component;
  }

  async #run(component: Component, invocation: Invocation): Promise<Answer | undefined> {
    const started = performance.now();
    const { name, operation } = invocation;
    const found = findOperation(component, operation);
    let redact: Redact | undefined;
    try {
      const opened = component.opened ?? (await component.whenOpened(invocation.signal));
      ({ redact } = opened);
      const answer = await this.#attempt(component, found, invocation, opened);
      this.#observer.invoked(name, operation, undefined, performance.now() - started);
      return answer;
    } catch (thrown) {
      const error = shownFailure(thrown, redact);
      this.#observer.invoked(name, operation, error, performance.now() - started);
      throw error;
    }
  }

  #attempt(
    component: Component,
    operation: AnyOperation,
    invocation: Invocation,
    first: Opened,
  ): Promise<Answer | undefined>;
  #attempt(
    component: Component,
    operation: AnyOperation,
    invocation: StreamInvocation,
    first: Opened,
  ): Promise<StreamAnswer | undefined>;
  async #attempt(
    component: Component,
    operation: AnyOperation,
    invocation: Invocation | StreamInvocation,
    first: Opened,
  ): Promise<Answer | StreamAnswer | undefined> {
    let parse = this.#parsers.get(operation);
    if (parse === undefined)
      this.#parsers.set(operation, (parse = requestParser(operation.request)));
    const request = parse(invocation.metadata);
    let opened = first;
    for (let attempt = 1; ; attempt++) {
      try {
        const { connection, metadata } = opened;
        const answer =
          "body" in invocation
            ? await inParts(operation)(connection, new StreamedCall(invocation, request, metadata))
            : await operation.invoke(connection, new OperationCall(invocation, request, metadata));
        return answer ?? undefined;
      } catch (error) {
        if ("body" in invocation && invocation.body.begun) throw error;
        if (!mayRepeat(error, operation, request, opened.outbound, attempt)) throw error;
        await pause(pauseAfter(opened.outbound, attempt), invocation.signal);
        if (invocation.signal.aborted) throw error;
        opened = component.opened ?? (await component.whenOpened(invocation.signal));
      }
    }
  }
}

function ownInvocation(
  name: string,
  operation: string,
  data: Uint8Array | undefined,
  metadata: Record<string, string>,
): Invocation {
  const { signal } = new AbortController();
  return { name, operation, data, encoding: "bytes", metadata, signal };
}

/** What operations of both kinds are told. Classes, since one is made for each call. */
class AnyCall {
  readonly operation: string;
  readonly request: Record<string, unknown>;
  readonly properties: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly #invocation: Invocation | StreamInvocation;

  constructor(
    invocation: Invocation | StreamInvocation,
    request: Record<string, unknown>,
    metadata: Readonly<Record<string, unknown>>,
  ) {
    this.operation = invocation.operation;
    this.request = request;
    this.properties = invocation.metadata;
    this.metadata = metadata;
    this.#invocation = invocation;
  }

  get signal(): AbortSignal {
    return this.#invocation.signal;
  }
}

class OperationCall extends AnyCall {
  readonly data: Uint8Array | undefined;
  readonly encoding: "bytes" | "json";

  constructor(
    invocation: Invocation,
    request: Record<string, unknown>,
    metadata: Readonly<Record<string, unknown>>,
  ) {
    super(invocation, request, metadata);
    this.data = invocation.data;
    this.encoding = invocation.encoding;
  }
}

class StreamedCall extends AnyCall {
  readonly body: AsyncIterable<Uint8Array>;

  constructor(
    invocation: StreamInvocation,
    request: Record<string, unknown>,
    metadata: Readonly<Record<string, unknown>>,
  ) {
    super(invocation, request, metadata);
    this.body = invocation.body;
  }
}

function inParts(operation: AnyOperation): NonNullable<AnyOperation["invokeStream"]> {
  if (operation.invokeStream !== undefined) return operation.invokeStream.bind(operation);
  throw new BindingError("unimplemented", "this operation takes its payload whole, not in parts");
}

function findOperation(component: Component, operation: string): AnyOperation {
  const { operations } = component.binding;
  const found =
    operations !== undefined && Object.hasOwn(operations, operation)
      ? operations[operation]
      : undefined;
  if (found !== undefined) return found;
  const supported = Object.keys(operations ?? {}).join(" ");
  throw new BindingError(
    "unimplemented",
    `binding ${component.spec.name} does not support operation ${operation}. supported operations:${supported}`,
  );
}

function shownFailure(thrown: unknown, redact: Redact | undefined): BindingError {
  const failure = BindingError.from(thrown);
  return redact === undefined ? failure : withoutSecrets(failure, redact);
}

/** Only what surely did no harm is repeated: it was not sent, or doing it twice is the same as once. */
function mayRepeat(
  error: unknown,
  operation: AnyOperation,
  request: Record<string, unknown>,
  policy: RetryPolicy,
  attempt: number,
): boolean {
  if (attempt >= policy.attempts || !(error instanceof BindingError)) return false;
  if (error.effect !== "ambiguous") return error.effect === "unsent";
  const { idempotent = false } = operation;
  return typeof idempotent === "function" ? idempotent(request) : idempotent;
}
