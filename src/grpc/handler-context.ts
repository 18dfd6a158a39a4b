import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import type { HeaderRecord } from "../http2/header-block.ts";
import { metadataOf } from "./failure.ts";
import type { CallContext } from "./method.ts";
import { RecordHead, type RequestHead } from "./request-head.ts";
import type { ResponseHeaders } from "./status.ts";

export type { HandlerContext } from "@connectrpc/connect";

/** Connect's context of a call. What costs something is made when it is first asked for. */
export class GrpcContext implements HandlerContext {
  readonly method: DescMethod;
  /** The call as the fast path knows it. */
  readonly call: CallContext;
  readonly requestMethod = "POST";
  readonly protocolName = "grpc";
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  constructor(method: DescMethod, call: CallContext) {
    this.method = method;
    this.call = call;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get signal(): AbortSignal {
    return this.call.signal;
  }

  get url(): string {
    const { head } = this.call;
    const authority = head.get(":authority") ?? head.get("host") ?? "localhost";
    return `${head.get(":scheme") ?? "http"}://${authority}${head.get(":path") ?? "/"}`;
  }

  get requestHeader(): Headers {
    return (this.#requestHeader ??= toHeaders(this.call.head.record));
  }

  get responseHeader(): Headers {
    return (this.#responseHeader ??= new Headers());
  }

  get responseTrailer(): Headers {
    return (this.#responseTrailer ??= new Headers());
  }

  get values(): ContextValues {
    return (this.#values ??= new Values());
  }

  get timeoutMs(): () => number | undefined {
    const { deadline } = this.call;
    return () => (deadline === undefined ? undefined : deadline - performance.now());
  }

  /** Hands the metadata that the method has set to the call. To be called before the first answer, and at the end. */
  settle(): void {
    if (this.#responseHeader !== undefined) this.call.setHeaders(metadataOf(this.#responseHeader));
    if (this.#responseTrailer !== undefined)
      this.call.setTrailers(metadataOf(this.#responseTrailer));
  }

  /** The answers, with {@link settle} called before the first of them and at their end. */
  settling(answers: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    return {
      [Symbol.asyncIterator]: () => {
        const iterator = answers[Symbol.asyncIterator]();
        let isFirst = true;
        return {
          next: async () => {
            let result: IteratorResult<Uint8Array> | undefined;
            try {
              result = await iterator.next();
              return result;
            } finally {
              if (isFirst || result?.done !== false) this.settle();
              isFirst = false;
            }
          },
          return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
        };
      },
    };
  }
}

/** The request's metadata; neither `Headers` nor a record are made for it on the fast path. */
export function requestHeadOf(context: HandlerContext): RequestHead {
  if (context instanceof GrpcContext) return context.call.head;
  return new RecordHead(Object.fromEntries(context.requestHeader));
}

/** Adds metadata before the first message; `Headers` are not made for it on the fast path. */
export function addResponseHeaders(context: HandlerContext, headers: ResponseHeaders): void {
  if (context instanceof GrpcContext) return context.call.setHeaders(headers);
  for (const [name, value] of Object.entries(headers)) {
    for (const one of [value].flat()) context.responseHeader.append(name, one);
  }
}

function toHeaders(raw: HeaderRecord): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of [value].flat()) headers.append(name, one);
  }
  return headers;
}

/** Values by the symbols of their keys. */
class Values implements ContextValues {
  readonly #values = new Map<symbol, unknown>();

  get<Value>(key: { id: symbol; defaultValue: Value }): Value {
    return this.#values.has(key.id) ? (this.#values.get(key.id) as Value) : key.defaultValue;
  }

  set<Value>(key: { id: symbol; defaultValue: Value }, value: Value): this {
    this.#values.set(key.id, value);
    return this;
  }

  delete(key: { id: symbol }): this {
    this.#values.delete(key.id);
    return this;
  }
}
