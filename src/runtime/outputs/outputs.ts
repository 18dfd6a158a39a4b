import { clock } from "../../clock.ts";
import type { Answer, StreamAnswer } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { ClaimStore } from "../../store/store.ts";
import type { Component } from "../component/component.ts";
import { Idempotency, idempotencyKey } from "./idempotency.ts";
import type { Opened } from "../component/opening.ts";
import type { Invocation, StreamInvocation } from "./invocation.ts";
import { ObservedBody } from "./observed-body.ts";
import type { Observer } from "../observer.ts";
import { withRetries, type RetriedAttempt } from "./retries.ts";
import { requestParser, type RequestParser } from "./request.ts";
import { logTraced } from "../../traced-log.ts";
import { shownFailure } from "../../secrets.ts";
import type { OutputSpan, Span, Tracer } from "../tracer.ts";
import type { WorkerSide } from "../worker-side.ts";
import { beginOutput, TracedInvocation, TracedStream } from "./traced.ts";

type AnyOperation = NonNullable<Component["binding"]["operations"]>[string];

/** The way out: name → component → operation → the binding's driver, by the component's policy. */
export class Outputs {
  readonly #components: ReadonlyMap<string, Component>;
  readonly #observer: Observer;
  readonly #tracer: Tracer | undefined;
  readonly #idempotency: Idempotency;
  readonly #worker: WorkerSide | undefined;
  readonly #parsers = new WeakMap<AnyOperation, RequestParser>();

  constructor(
    components: ReadonlyMap<string, Component>,
    observer: Observer,
    claims: ClaimStore | undefined,
    tracer?: Tracer,
    worker?: WorkerSide,
  ) {
    this.#components = components;
    this.#worker = worker;
    this.#tracer = tracer;
    this.#observer = observer;
    this.#idempotency = new Idempotency(claims);
  }

  /** See `Runtime.invoke`. */
  invoke(invocation: Invocation): Promise<Answer | undefined> {
    if (this.#worker?.isElsewhere(invocation) === true)
      return this.#worker.invokeElsewhere(invocation);
    return invocation.metadata[idempotencyKey] === undefined
      ? this.#run(invocation, undefined)
      : this.#once(invocation);
  }

  async #once(invocation: Invocation): Promise<Answer | undefined> {
    const component = this.#find(invocation);
    findOperation(component, invocation.operation);
    return this.#idempotency.invoke(component, invocation, (one) => this.#run(one, undefined));
  }

  /** Nothing goes on behind the calls. */
  close(): void {
    this.#idempotency.close();
  }

  /** See `Runtime.takesStream`. */
  takesStream(name: string, operation: string): boolean {
    // What another thread is to do is handed to it whole.
    if (this.#worker?.isElsewhere({ name, metadata: {} }) === true) return false;
    return findOperation(this.#find({ name, operation }), operation).invokeStream !== undefined;
  }

  /** See `Runtime.invokeStream`. */
  async invokeStream(given: StreamInvocation): Promise<StreamAnswer | undefined> {
    const component = this.#find(given);
    const { name, operation, body, metadata } = given;
    if (metadata[idempotencyKey] !== undefined) {
      const text = `${operation} of ${name} with an ${idempotencyKey} takes its payload whole, not in parts`;
      throw new BindingError("unimplemented", text);
    }
    const started = clock.elapsed();
    await component.code.load?.();
    const found = findOperation(component, operation);
    component.calls.enter();
    const span = beginOutput(this.#tracer, component.spec, given, undefined);
    const observe = (error: BindingError | undefined): void => {
      const took = clock.elapsed() - started;
      component.calls.leave(error !== undefined, took);
      span?.end(error);
      this.#observer.invoked(name, operation, error, took, span);
    };
    let used: Opened | undefined;
    const shown = (thrown: unknown): BindingError => shownFailure(thrown, used?.redact);
    try {
      const request = this.#parse(found, metadata);
      const answer = await withRetries({
        ...{ component, body, idempotent: () => isIdempotent(found, request, used) },
        signal: given.signal,
        onOpened(opened) {
          used = opened;
          span?.reached(opened.metadata);
        },
        onFailed: span && ((error) => span.failed(shown(error))),
        onAgain: span && ((wait) => span.again(wait)),
        async run(opened, within): Promise<StreamAnswer | void> {
          const invocation = span === undefined ? given : new TracedStream(given, span.attempt);
          const call = new StreamedCall(invocation, request, opened.metadata, within);
          if (found.invokeStream !== undefined)
            return traced(span, async () => found.invokeStream?.(opened.connection, call));
          const text = `operation ${operation} of ${name} takes its payload whole, not in parts`;
          throw new BindingError("unimplemented", text);
        },
      });
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

  /**
   * Invokes `create` on the runtime's own behalf, for a reply's `to`, and for events whose attempts are used up. `cause`:
   * the span of that; a traceparent among the metadata is then the new span's own.
   */
  async create(
    name: string,
    data: Uint8Array | undefined,
    metadata: Readonly<Record<string, string>> = {},
    signal?: AbortSignal,
    cause?: Span,
  ): Promise<void> {
    const invocation = ownInvocation(name, "create", data, metadata, signal);
    // What an event calls so is no key of a caller.
    if (this.#worker?.isElsewhere({ name, metadata: {} }) === true)
      await this.#worker.invokeElsewhere(withoutKey(invocation));
    else await this.#run(invocation, undefined, cause);
  }

  /** Saves a state in a state store, for a reply's `states`. */
  async save(name: string, key: string, value: Uint8Array, cause?: Span): Promise<void> {
    const component = this.#components.get(name);
    if (component === undefined || !component.isStateStore) {
      throw new BindingError("not_found", `couldn't find state store ${name}`);
    }
    await this.#run(ownInvocation(name, "set", value, { key }), component, cause);
  }

  /** One function down to the binding, since each one more costs every call a promise. */
  async #run(
    given: Invocation,
    stateStore: Component | undefined,
    cause?: Span,
  ): Promise<Answer | undefined> {
    const component = stateStore ?? this.#find(given);
    const { name, operation } = given;
    const started = clock.elapsed();
    const { load } = component.code;
    if (load !== undefined) await load();
    const found = findOperation(component, operation);
    const { outbound } = component.policies;
    const tracer = this.#tracer;
    const span = tracer && beginOutput(tracer, component.spec, given, cause);
    const invocation = span === undefined ? given : new TracedInvocation(given, span.attempt);
    let used: Opened | undefined;
    let failed = false;
    let took = 0;
    component.calls.enter();
    try {
      let answer: Answer | void;
      if (
        outbound.timeout !== undefined ||
        outbound.breaker !== undefined ||
        (outbound.repeatsAmbiguous === true && component.opened === undefined)
      ) {
        const request = this.#parse(found, invocation.metadata);
        answer = await withRetries(
          repetition(component, found, given, request, undefined, span, (opened) => {
            used = opened;
          }),
        );
      } else {
        const opened = component.opened ?? (await component.whenOpened(invocation.signal));
        used = opened;
        span?.reached(opened.metadata);
        const request = this.#parse(found, invocation.metadata);
        try {
          const call = new OperationCall(invocation, request, opened.metadata, undefined);
          answer = await (span === undefined
            ? found.invoke(opened.connection, call)
            : logTraced(span.attempt, () => found.invoke(opened.connection, call)));
        } catch (error) {
          const again = repetition(component, found, given, request, opened, span);
          answer = await withRetries({ ...again, first: { error } });
        }
      }
      if (answer?.data !== undefined) demandBytes(answer.data, operation);
      took = clock.elapsed() - started;
      span?.end(undefined, answer?.metadata);
      this.#observer.invoked(name, operation, undefined, took, span);
      return answer ?? undefined;
    } catch (thrown) {
      failed = true;
      const error = shownFailure(thrown, used?.redact);
      took = clock.elapsed() - started;
      span?.end(error);
      this.#observer.invoked(name, operation, error, took, span);
      throw error;
    } finally {
      component.calls.leave(failed, took);
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
}

/** A binding of a user's own may be of JavaScript, that no types have checked. */
function demandBytes(data: unknown, operation: string): void {
  if (data instanceof Uint8Array) return;
  const text = `the binding's operation ${operation} has answered with data that is no Uint8Array, but a ${typeof data}`;
  throw new BindingError("internal", text, { effect: "ambiguous" });
}

/** An operation whose payload is at hand, so that it can be tried again. */
function repetition(
  component: Component,
  operation: AnyOperation,
  given: Invocation,
  request: Record<string, unknown>,
  used: Opened | undefined,
  span: OutputSpan | undefined,
  onOpened?: (opened: Opened) => void,
): RetriedAttempt<Answer | void> {
  return {
    component,
    onFailed: span && ((error) => span.failed(shownFailure(error, used?.redact))),
    onAgain: span && ((wait) => span.again(wait)),
    signal: given.signal,
    idempotent: () => isIdempotent(operation, request, used),
    onOpened(opened) {
      used = opened;
      span?.reached(opened.metadata);
      onOpened?.(opened);
    },
    run({ connection, metadata }, within) {
      const invocation = span === undefined ? given : new TracedInvocation(given, span.attempt);
      const call = new OperationCall(invocation, request, metadata, within);
      return traced(span, () => operation.invoke(connection, call));
    },
  };
}

/** Another thread would take it for a caller's. */
function withoutKey(invocation: Invocation): Invocation {
  const { [idempotencyKey]: _, ...metadata } = invocation.metadata;
  return { ...invocation, metadata };
}

/** Runs a binding's operation, of a span where there is one. */
function traced<Result>(span: OutputSpan | undefined, run: () => Promise<Result>): Promise<Result> {
  return span === undefined ? run() : logTraced(span.attempt, run);
}

function ownInvocation(
  name: string,
  operation: string,
  data: Uint8Array | undefined,
  metadata: Readonly<Record<string, string>>,
  signal: AbortSignal = new AbortController().signal,
): Invocation {
  return { name, operation, data, encoding: "bytes", metadata, signal };
}

/** What operations of both kinds are told. Classes, since one is made for each call. */
class AnyCall {
  readonly operation: string;
  readonly request: Record<string, unknown>;
  readonly properties: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly #invocation: Invocation | StreamInvocation;
  readonly #within: AbortSignal | undefined;

  constructor(
    invocation: Invocation | StreamInvocation,
    request: Record<string, unknown>,
    metadata: Readonly<Record<string, unknown>>,
    within: AbortSignal | undefined,
  ) {
    this.operation = invocation.operation;
    this.request = request;
    this.properties = invocation.metadata;
    this.metadata = metadata;
    this.#invocation = invocation;
    this.#within = within;
  }

  get signal(): AbortSignal {
    return this.#within ?? this.#invocation.signal;
  }

  get deadline(): number | undefined {
    return this.#invocation.deadline;
  }
}

class OperationCall extends AnyCall {
  readonly data: Uint8Array | undefined;
  readonly encoding: "bytes" | "json";

  constructor(
    invocation: Invocation,
    request: Record<string, unknown>,
    metadata: Readonly<Record<string, unknown>>,
    within: AbortSignal | undefined,
  ) {
    super(invocation, request, metadata, within);
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
    within: AbortSignal | undefined,
  ) {
    super(invocation, request, metadata, within);
    this.body = invocation.body;
  }
}

function findOperation(component: Component, operation: string): AnyOperation {
  const { operations, anyOperation } = component.binding;
  const found =
    operations !== undefined && Object.hasOwn(operations, operation)
      ? operations[operation]
      : anyOperation;
  if (found !== undefined) return found;
  const supported = Object.keys(operations ?? {}).join(" ");
  throw new BindingError(
    "unimplemented",
    `binding ${component.spec.name} does not support operation ${operation}. supported operations:${supported}`,
  );
}

/** Asked of a call that was made, so that there was a connection. */
function isIdempotent(
  operation: AnyOperation,
  request: Record<string, unknown>,
  opened: Opened | undefined,
): boolean {
  if (operation.isIdempotent !== undefined)
    return opened !== undefined && operation.isIdempotent(opened.connection, request);
  const { idempotent = false } = operation;
  return typeof idempotent === "function" ? idempotent(request) : idempotent;
}
