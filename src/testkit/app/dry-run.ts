import { setTimeout as wait } from "node:timers/promises";
import type { AnyBinding, BindingModule } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import type { SecretStandIn } from "../../resources/resolve.ts";
import type { App } from "../../runtime/app.ts";
import type { OtherBindings } from "../../runtime/binding-catalogue.ts";
import { findComponent, nearestOf } from "../../runtime/find-component.ts";
import type { RuntimeLogger } from "../../runtime/runtime-logger.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { directRelay } from "./direct-relay.ts";
import { whyUseless, type FaultRule } from "./faults.ts";
import { parseFeedLine, shownPayload, type FeedLine } from "./feed-line.ts";
import type { Delivered } from "./input.ts";
import type { RecordedCall } from "./output.ts";
import { secretStandIn } from "./secrets.ts";
import { StandIns } from "./stand-ins.ts";
import { WatchedApp } from "./watched-app.ts";

export type DryRunOptions = {
  readonly faults: readonly FaultRule[];
  /** The lines of what feeds the inputs, `undefined` in the place of one that is too long. Absent: nothing does. */
  readonly feed: (() => AsyncIterable<string | undefined>) | undefined;
  readonly logger: RuntimeLogger;
  /** Takes what outputs were called with, and what became of events, as objects for JSON. */
  readonly print: (record: Record<string, unknown>) => void;
};

/** Between two looks at a component that is not open yet, in milliseconds. */
const lookAgain = 20;

/** A runtime of the command line with stand-ins behind its components. */
export class DryRun {
  readonly #options: DryRunOptions;
  readonly #standIns: StandIns;
  #isStopped = false;
  /** Whether all of the feed was right, and every event was handled. */
  #isFed: boolean;

  constructor(options: DryRunOptions) {
    this.#options = options;
    this.#isFed = options.feed === undefined;
    this.#standIns = new StandIns({
      onCall: (call) => options.print(shownCall(call)),
      onDelivered: (component, delivered) => options.print(shownDelivery(component, delivered)),
    });
  }

  /** What components with `relay` go through. */
  readonly relay = directRelay;

  modules(modules: readonly BindingModule[]): BindingModule[] {
    return this.#standIns.modules(modules);
  }

  others(own: Required<Pick<OtherBindings, "loaded" | "find">>): OtherBindings {
    const replaced = (bindings: readonly AnyBinding[]): AnyBinding[] =>
      bindings.map((binding) => this.#standIns.replace(binding));
    return { loaded: replaced(own.loaded), find: async () => replaced(await own.find()) };
  }

  stateStores(stores: readonly AnyBinding[]): AnyBinding[] {
    return stores.map((store) => this.#standIns.replace(store));
  }

  app(app: App): App {
    return new WatchedApp(app, this.#standIns, { isRemote: true });
  }

  secrets(bindings: () => readonly AnyBinding[]): SecretStandIn {
    return secretStandIn(bindings, (secret) =>
      this.#options.logger.warn(secret, "a secret cannot be read: a text stands in its place"),
    );
  }

  /**
   * Feeds the inputs, once the components are there. Resolves to why the run is over, and its exit code: 0, or 1 where an
   * event was not handled or the feed was wrong; 2: a fault is wrong. `undefined`: nothing ends it. Never rejects.
   */
  async run(runtime: Runtime): Promise<{ why: string; code: number } | undefined> {
    const { feed, logger } = this.#options;
    if (this.#isStopped) return undefined;
    if (!this.#scriptFaults(runtime)) return { why: "a fault is wrong", code: 2 };
    if (feed === undefined) return undefined;
    try {
      this.#isFed = await this.#feed(feed, runtime);
    } catch (error) {
      logger.error({ reason: messageOf(error) }, "the feed cannot be read");
    }
    if (this.#isStopped) return undefined;
    const { unused } = this.#standIns.faults;
    if (unused.length > 0) logger.warn({ faults: unused }, "faults have not struck");
    return { why: "the feed has ended", code: this.#isFed ? 0 : 1 };
  }

  /** The runtime ends by itself, as when the app has ended: no more of the feed is taken. */
  stop(): void {
    this.#isStopped = true;
  }

  /** What a run comes to that was to end with a code. */
  exitCode(code: number): number {
    if (code !== 0 || this.#isFed) return code;
    this.#options.logger.error({}, "the run has ended before all events of the feed were handled");
    return 1;
  }

  /** Resolves to whether all of it was right, and every event was handled. */
  async #feed(feed: () => AsyncIterable<string | undefined>, runtime: Runtime): Promise<boolean> {
    const { logger } = this.#options;
    const results: Promise<boolean>[] = [];
    let number = 0;
    for await (const text of feed()) {
      if (this.#isStopped) return false;
      number++;
      if (text?.trim() === "") continue;
      try {
        if (text === undefined) throw new Error("it is too long");
        const line = parseFeedLine(text);
        const result = await this.#take(line, runtime);
        // In an object, as a promise would be waited for.
        if (result !== undefined) results.push(result.isHandled);
      } catch (error) {
        if (this.#isStopped) return false;
        logger.error({ line: number, reason: messageOf(error) }, "a line of the feed is wrong");
        results.push(Promise.resolve(false));
      }
    }
    return (await Promise.all(results)).every(Boolean);
  }

  /** Events that nobody will handle any more are told, too. */
  close(): void {
    this.#standIns.close();
  }

  #scriptFaults(runtime: Runtime): boolean {
    let isRight = true;
    for (const rule of this.#options.faults) {
      const why = this.#whyWrong(runtime, rule);
      if (why === undefined) this.#standIns.faults.add(rule);
      else this.#options.logger.error({ fault: rule.text, reason: why }, "a fault is wrong");
      isRight &&= why === undefined;
    }
    return isRight;
  }

  #whyWrong(runtime: Runtime, rule: FaultRule): string | undefined {
    try {
      const { directions, operations } = findComponent(runtime, rule.component);
      return whyUseless(rule, { input: directions.input, operations });
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Throws what is wrong with it. */
  async #take(
    line: FeedLine,
    runtime: Runtime,
  ): Promise<{ isHandled: Promise<boolean> } | undefined> {
    if (line.kind === "wait") {
      await wait(line.milliseconds);
      return undefined;
    }
    if (line.kind === "answer") {
      const { operations } = findComponent(runtime, line.output);
      if (!operations.includes(line.operation))
        throw new Error(
          `${line.output} has no operation ${JSON.stringify(line.operation)}; ${nearestOf(line.operation, operations)}`,
        );
      this.#standIns.of(line.output).output.answer(line.operation, line.answer, false);
      return undefined;
    }
    await this.#open(line.input, runtime);
    const delivered = this.#standIns.of(line.input).input.deliver(line.event);
    return { isHandled: delivered.then(isHandled) };
  }

  /** Resolves once the component can read. Throws why it cannot. */
  async #open(name: string, runtime: Runtime): Promise<void> {
    for (;;) {
      const { state, reason, directions, operations } = findComponent(runtime, name);
      if (state === "failed") throw new Error(`component ${name} has failed: ${reason}`);
      if (!directions.input)
        throw new Error(`component ${name} is an output: it is invoked (${operations.join(", ")})`);
      if (state !== "starting") return;
      await wait(lookAgain);
    }
  }
}

function isHandled(delivered: Delivered): boolean {
  return delivered.outcome === "handled" && delivered.movedTo === undefined;
}

function shownCall(call: RecordedCall): Record<string, unknown> {
  const { component: output, operation, data, metadata, outcome } = call;
  const error = outcome === undefined || outcome.kind === "answered" ? undefined : outcome.error;
  return {
    ...{ output, operation, ...shownPayload(data), metadata, outcome: outcome?.kind },
    ...(error && { reason: error.message }),
  };
}

function shownDelivery(input: string, delivered: Delivered): Record<string, unknown> {
  const { id, outcome, attempts, deliveries } = delivered;
  const record = { input, id, outcome, attempts, deliveries };
  if (outcome !== "handled") return { ...record, reason: delivered.reason };
  const { movedTo, reply } = delivered;
  return {
    ...record,
    ...(movedTo && { movedTo }),
    ...(reply && { reply: shownPayload(reply.data) }),
  };
}
