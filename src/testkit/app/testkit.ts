import type { FunctionAppHandlers } from "../../app/function.ts";
import type { AnyBinding, Answer, Header } from "../../binding.ts";
import type { EmbeddedDeadLetters } from "../../embedded/dead-letters.ts";
import type { EmbeddedOperations } from "../../embedded/operations.ts";
import type { ComponentResource } from "../../index.ts";
import type { ResourceProblem } from "../../resources/problem.ts";
import type { Outcome } from "../../runtime/app.ts";
import type { ReloadResult } from "../../runtime/component/reload.ts";
import type { RuntimeLogger } from "../../runtime/runtime-logger.ts";
import type { ComponentStatus } from "../../runtime/status.ts";
import type { Delivered, TestEvent } from "./input.ts";
import type { KitClock } from "./kit-clock.ts";
import type { AnswerFunction, RecordedCall, ScriptedAnswer } from "./output.ts";
import type { Payload } from "./payload.ts";
import type { ReplacedSecret } from "./secrets.ts";
import type { RemoteApp } from "./wiring.ts";

/** What a kit is made of. */
export type TestkitOptions = {
  /** For scopes and templates. Default `cufflink`. */
  readonly appId?: string;
  /** A folder or file of component YAML, or several: those of production. */
  readonly resources?: string | readonly string[];
  /** Components that are in no file: objects of the same shape, or YAML text. */
  readonly components?: readonly (ComponentResource | string)[];
  /** Binding types of your own, which get stand-ins as the others do. */
  readonly bindings?: readonly AnyBinding[];
  /**
   * The app: functions, or what makes them of the kit; or an app in a process of its own, which is called on its port, or
   * dials in at {@link Testkit.port}. Absent: outputs work, inputs wait.
   */
  readonly app?: FunctionAppHandlers | ((kit: Testkit) => FunctionAppHandlers) | RemoteApp;
  /** `test`: time stands still until the test moves it. `real`: it is the process's. Default `test`. */
  readonly clock?: "test" | "real";
  /** What time it is at first. Default: what it is. */
  readonly now?: Date | string | number;
  /** As by {@link Testkit.fault}. */
  readonly faults?: readonly string[];
  /**
   * Make the kit although a component has failed, or a file has mistakes, for tests of just that. Default false:
   * `createTestkit` rejects, and says what is wrong.
   */
  readonly allowFailed?: boolean;
  /** The most events of all components together that the app handles at one time. Default: no limit. */
  readonly maxConcurrency?: number;
  /** Default: nothing is logged; what keeps a component from working is thrown. */
  readonly logger?: RuntimeLogger;
  /**
   * How long, in real milliseconds, time waits for what the app does by means of its own before it moves on. Default
   * 1,000, and 10,000 for an app in another process; what took longer once is not waited for again.
   */
  readonly patience?: number;
};

/** The source behind an input. */
export type TestInput = {
  /**
   * Puts an event (a text or bytes: its payload) into the source, and resolves once the source is told for good what became
   * of it: handled, or returned, after all attempts that its policy allows. Where these need time, move it. Rejects with a
   * `BindingError` where the component has failed, or the app does not subscribe to it.
   */
  deliver(event: TestEvent | string | Uint8Array): Promise<Delivered>;
  /** What became of the events so far, the ticks of `cron` among them. */
  readonly delivered: readonly Delivered[];
  /** Events that the source has: not handed out, or not acknowledged. */
  readonly backlog: number;
  /** Ends the connection now. What is not acknowledged comes again with the next one, which the runtime opens after a pause. */
  cut(reason?: string): void;
  /** As {@link Testkit.fault}, without the name: `"poison 1 in 100"`. */
  fault(fault: string): void;
};

/** The system behind an output. */
export type TestOutput = {
  /** The calls that were done, in their order. */
  readonly calls: readonly RecordedCall[];
  /** All calls that came, those that failed among them: one for each attempt. */
  readonly attempts: readonly RecordedCall[];
  /** From now on the operation answers so. Without that it answers nothing: no response. */
  on(operation: string, answer: ScriptedAnswer | AnswerFunction): void;
  /** It answers so once, before {@link TestOutput.on} counts again; called several times: one after another. */
  once(operation: string, answer: ScriptedAnswer | AnswerFunction): void;
  /** Resolves to the next call that is done. */
  next(operation?: string): Promise<RecordedCall>;
  /** Forgets the calls so far. */
  clear(): void;
  /** As {@link Testkit.fault}, without the name: `"fail 3rd"`. */
  fault(fault: string): void;
};

export type TestRequest = Payload & {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Aborted: the call rejects at once, whether the binding can break off what it does or not. */
  readonly signal?: AbortSignal;
};

/** An app's runtime with stand-ins in place of all systems. */
export type Testkit = AsyncDisposable &
  EmbeddedOperations & {
    readonly clock: KitClock;
    /** Throws where there is no such input. */
    input(name: string): TestInput;
    /** Throws where there is no such output. */
    output(name: string): TestOutput;
    /** What replies have saved in a state store, by key. */
    states(name: string): ReadonlyMap<string, Uint8Array>;
    /**
     * Scripts a fault: `"orders: fail 3rd"`, `"orders: delay 5s"`, `"orders: poison 1 in 100"`, `"orders: cut at ack"`,
     * `"mail/create: fail as resource_exhausted"`. Throws an `Error` that says what is not understood.
     */
    fault(fault: string): void;
    /** Takes all faults back, or those of a component. */
    clearFaults(name?: string): void;
    /** Runs an operation, as the runtime of production. Rejects with a `BindingError`. */
    invoke(name: string, operation: string, request?: TestRequest): Promise<Answer | undefined>;
    /** Hands the app one event past the source, once. */
    emit(
      name: string,
      event?: Payload & { readonly headers?: readonly Header[] },
    ): Promise<Outcome>;
    components(): ComponentStatus[];
    readonly deadLetters: EmbeddedDeadLetters;
    readonly problems: readonly ResourceProblem[];
    /** The secrets that could not be read, so that texts of the kit's stand in their place. Remote stores are not asked. */
    readonly replacedSecrets: readonly ReplacedSecret[];
    /** Where an app in another process reaches the runtime, by gRPC and HTTP; 0 where the app is functions. */
    readonly port: number;
    /** What such an app is to have in its environment. */
    readonly environment: Readonly<Record<string, string>>;
    /**
     * Resolves once every input reads. Rejects with how they are where one has failed, or where that takes more than
     * `patience` (default 10,000) real milliseconds.
     */
    ready(patience?: number): Promise<void>;
    reload(): Promise<ReloadResult>;
    /** Lets the app finish what it has for at most `deadline` real milliseconds (default 1,000), and closes everything. */
    close(options?: { readonly deadline?: number }): Promise<void>;
  };
