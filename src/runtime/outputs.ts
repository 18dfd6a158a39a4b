import type { Answer, StreamAnswer } from "../binding.ts";
import { BindingError } from "../errors.ts";
import { pauseAfter, type RetryPolicy } from "../policy/retry.ts";
import type { Component } from "./component.ts";
import type { Opened } from "./opening.ts";
import type { Invocation, StreamBody, StreamInvocation } from "./invocation.ts";
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
  invoke(invocation: Invocation): Promise<Answer | undefined> {
    return this.#run(invocation, undefined);
  }

  /** See `Runtime.takesStream`. */
  takesStream(name: string, operation: string): boolean {
    return findOperation(this.#find({ name, operation }), operation).invokeStream !== undefined;
  }

  /** See `Runtime.invokeStream`. */
  async invokeStream(invocation: StreamInvocation): Promise<StreamAnswer | undefined> {
    const component = this.#find(invocation);
    const { name, operation, body, metadata } = invocation;
    const started = performance.now();
    const found = findOperation(component, operation);
    component.calls.enter();
    const observe = (error: BindingError | undefined): void => {
      component.calls.leave();
      this.#observer.invoked(name, operation, error, performance.now() - started);
    };
    let redact: Redact | undefined;
    const shown = (thrown: unknown): BindingError => shownFailure(thrown, redact);
    try {
      const opened = component.opened ?? (await component.whenOpened(invocation.signal));
      ({ redact } = opened);
      const request = this.#parse(found, metadata);
      const attempt = async (one: Opened): Promise<StreamAnswer | void> => {
        const call = new StreamedCall(invocation, request, one.metadata);
        if (found.invokeStream !== undefined) return found.invokeStream(one.connection, call);
        const text = `operation ${operation} of ${name} takes its payload whole, not in parts`;
        throw new BindingError("unimplemented", text);
      };
      const again = { component, operation: found, request, opened, invocation, body };
      const answer = await attempt(opened).catch((error: unknown) =>
        this.#repeat(error, again, attempt),
      );
      if (answer?.body !== undefined) {
        return { ...answer, body: new ObservedBody(answer.body, { shown, ended: observe }) };
      }
      observe(undefined);
      return answer ?? undefined;
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
    await this.#run(ownInvocation(name, "set", value, { key }), component);
  }

  /** One function down to the binding, since each one more costs every call a promise. */
  async #run(
    invocation: Invocation,
    stateStore: Component | undefined,
  ): Promise<Answer | undefined> {
    const component = stateStore ?? this.#find(invocation);
    const { name, operation } = invocation;
    const started = performance.now();
    const found = findOperation(component, operation);
    let redact: Redact | undefined;
    component.calls.enter();
    try {
      const opened = component.opened ?? (await component.whenOpened(invocation.signal));
      ({ redact } = opened);
      const request = this.#parse(found, invocation.metadata);
      let answer: Answer | void;
      try {
        const call = new OperationCall(invocation, request, opened.metadata);
        answer = await found.invoke(opened.connection, call);
      } catch (error) {
        const again = { component, operation: found, request, opened, invocation };
        answer = await this.#repeat(error, again, (one) =>
          found.invoke(one.connection, new OperationCall(invocation, request, one.metadata)),
        );
      }
      this.#observer.invoked(name, operation, undefined, performance.now() - started);
      return answer ?? undefined;
    } catch (thrown) {
      const error = shownFailure(thrown, redact);
      this.#observer.invoked(name, operation, error, performance.now() - started);
      throw error;
    } finally {
      component.calls.leave();
    }
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

  #parse(
    operation: AnyOperation,
    metadata: Readonly<Record<string, string>>,
  ): Record<string, unknown> {
    let parse = this.#parsers.get(operation);
    if (parse === undefined)
      this.#parsers.set(operation, (parse = requestParser(operation.request)));
    return parse(metadata);
  }

  /** Goes on after the first attempt has failed, as far as the policy and the failure allow. */
  async #repeat<Result>(
    first: unknown,
    { component, operation, request, opened, invocation, body }: Repetition,
    attempt: (opened: Opened) => Promise<Result>,
  ): Promise<Result> {
    let error = first;
    let current = opened;
    for (let failed = 1; ; failed++) {
      if (body?.begun === true) throw error;
      if (!mayRepeat(error, operation, request, current.outbound, failed)) throw error;
      await pause(pauseAfter(current.outbound, failed), invocation.signal);
      if (invocation.signal.aborted) throw error;
      current = component.opened ?? (await component.whenOpened(invocation.signal));
      try {
        return await attempt(current);
      } catch (thrown) {
        error = thrown;
      }
    }
  }
}

/** What a failed attempt is repeated with. */
type Repetition = {
  readonly component: Component;
  readonly operation: AnyOperation;
  readonly request: Record<string, unknown>;
  readonly opened: Opened;
  readonly invocation: Pick<Invocation, "signal">;
  readonly body?: StreamBody;
};

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
