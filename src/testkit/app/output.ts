import type { Answer } from "../../binding.ts";
import { clock } from "../../clock.ts";
import { delay } from "../../delay.ts";
import { BindingError } from "../../errors.ts";
import { scriptedFailure, type Faults } from "./faults.ts";
import { bytesOf, jsonOf, textOf, type Payload } from "./payload.ts";

/** A call that has reached the stand-in of an output. */
export type RecordedCall = {
  readonly component: string;
  readonly operation: string;
  /** The payload; `undefined`: there was none. */
  readonly data: Uint8Array | undefined;
  /** `json`: from Dapr's HTTP path, where the payload is one JSON value. */
  readonly encoding: "bytes" | "json";
  /** All of the request's metadata, as it came. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The metadata that the operation declares, read as its fields say. */
  readonly request: Readonly<Record<string, unknown>>;
  /** When it came, by the kit's clock. */
  readonly at: Date;
  /** What it came to; `undefined` while it is under way. */
  readonly outcome: CallOutcome | undefined;
  /** The payload as UTF-8; empty when there is none. */
  text(): string;
  /** The payload, parsed. Throws a `SyntaxError` when it is no JSON. */
  json(): unknown;
};

/** `cut`: it was done, and its answer was lost. */
export type CallOutcome =
  | { readonly kind: "answered"; readonly answer: Answer | undefined }
  | { readonly kind: "failed" | "cut"; readonly error: BindingError };

/** What an output answers: a payload, or a value that is sent as JSON, and metadata. Nothing: no response (HTTP 204). */
export type ScriptedAnswer = Payload & { readonly metadata?: Readonly<Record<string, string>> };

/** Decides an answer by the call. Throws what the call is to fail with, such as a `BindingError`. */
export type AnswerFunction = (
  call: RecordedCall,
) => ScriptedAnswer | undefined | void | Promise<ScriptedAnswer | undefined | void>;

type Recorded = { -readonly [Name in keyof RecordedCall]: RecordedCall[Name] };

/** What the binding was handed of one call. */
export type OutputCall = {
  readonly operation: string;
  readonly data: Uint8Array | undefined;
  readonly encoding: "bytes" | "json";
  readonly properties: Readonly<Record<string, string>>;
  readonly request: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
};

export type OutputSideOptions = {
  readonly component: string;
  readonly faults: Faults;
  /** Told each call once it has ended. */
  readonly onCall: (call: RecordedCall) => void;
};

/** The output side of a component's stand-in: it records calls, and answers as it is told. */
export class OutputSide {
  readonly #options: OutputSideOptions;
  readonly #attempts: Recorded[] = [];
  readonly #answers = new Map<string, AnswerFunction>();
  readonly #once = new Map<string, AnswerFunction[]>();
  #waiting: {
    readonly operation: string | undefined;
    readonly resolve: (call: RecordedCall) => void;
  }[] = [];

  constructor(options: OutputSideOptions) {
    this.#options = options;
  }

  /** All calls, in the order in which they came. */
  get attempts(): readonly RecordedCall[] {
    return this.#attempts;
  }

  /** Those that were done: neither failed nor under way. */
  get calls(): readonly RecordedCall[] {
    return this.#attempts.filter(
      ({ outcome }) => outcome !== undefined && outcome.kind !== "failed",
    );
  }

  answer(operation: string, answer: ScriptedAnswer | AnswerFunction, isOnce: boolean): void {
    const decide = typeof answer === "function" ? answer : () => answer;
    if (!isOnce) this.#answers.set(operation, decide);
    else this.#once.set(operation, [...(this.#once.get(operation) ?? []), decide]);
  }

  /** Resolves to the next call that is done. */
  next(operation: string | undefined): Promise<RecordedCall> {
    return new Promise((resolve) => this.#waiting.push({ operation, resolve }));
  }

  clear(): void {
    this.#attempts.length = 0;
  }

  /** `lose`: ends the component's connection. */
  async invoke(call: OutputCall, lose: (reason: Error) => void): Promise<Answer | undefined> {
    const { component, faults } = this.#options;
    const recorded = this.#record(call);
    let isCut = false;
    try {
      for (const action of faults.at("call", component, call.operation)) {
        if (action.kind === "delay") await delay(action.milliseconds, call.signal);
        if (call.signal.aborted) throw abandoned();
        if (action.kind === "fail") throw scriptedFailure(action);
        if (action.kind === "cut") isCut = true;
      }
      const answer = await this.#decide(recorded);
      if (!isCut) {
        this.#ended(recorded, { kind: "answered", answer });
        return answer;
      }
    } catch (thrown) {
      this.#ended(recorded, { kind: "failed", error: BindingError.from(thrown) });
      throw thrown;
    }
    const error = new BindingError(
      "unavailable",
      "scripted fault: the connection was cut before the answer came",
      { effect: "ambiguous" },
    );
    this.#ended(recorded, { kind: "cut", error });
    lose(error);
    throw error;
  }

  #record({ operation, data, encoding, properties, request }: OutputCall): Recorded {
    const recorded: Recorded = {
      component: this.#options.component,
      operation,
      // A caller may use its buffer again.
      data: data && Buffer.from(data),
      encoding,
      metadata: { ...properties },
      request: { ...request },
      at: new Date(clock.now()),
      outcome: undefined,
      text: () => textOf(recorded.data),
      json: () => jsonOf(recorded.data),
    };
    this.#attempts.push(recorded);
    return recorded;
  }

  async #decide(call: RecordedCall): Promise<Answer | undefined> {
    const { operation } = call;
    const decide = this.#once.get(operation)?.shift() ?? this.#answers.get(operation);
    const said = await decide?.(call);
    if (said === undefined) return undefined;
    const data = bytesOf(said);
    return {
      ...(data !== undefined && { data }),
      ...(said.metadata && { metadata: { ...said.metadata } }),
    };
  }

  #ended(recorded: Recorded, outcome: CallOutcome): void {
    recorded.outcome = outcome;
    this.#options.onCall(recorded);
    if (outcome.kind === "failed") return;
    const told = this.#waiting.filter(
      ({ operation }) => operation === undefined || operation === recorded.operation,
    );
    this.#waiting = this.#waiting.filter((one) => !told.includes(one));
    for (const { resolve } of told) resolve(recorded);
  }
}

function abandoned(): BindingError {
  return new BindingError("cancelled", "the call was given up before its answer came", {
    effect: "ambiguous",
  });
}
