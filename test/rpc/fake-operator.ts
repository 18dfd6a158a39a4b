import { History, type HistoryList, type HistoryPage } from "../../src/runtime/records/history.ts";
import type { Tail, TailOptions } from "../../src/runtime/records/tails.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { BindingError } from "../../src/errors.ts";
import type { Operator, ShownPolicies } from "../../src/runtime/operator.ts";
import type { Check } from "../../src/examination.ts";
import type { Examined } from "../../src/runtime/component/examine.ts";
import type { ReloadResult } from "../../src/runtime/component/reload.ts";
import type { UnfinishedEvent } from "../../src/runtime/status.ts";
import type { HistoryRecord } from "../../src/store/records.ts";

/** Notes what it is asked to do; knows the component `probe`. */
export class FakeOperator implements Operator {
  readonly asked: string[] = [];
  reloads: ReloadResult[] = [];
  checks: Check[] = [];
  records: HistoryRecord[] = [];
  policiesOf: ShownPolicies = { inbound: undefined, outbound: undefined };

  readonly history = {
    find: async (eventId: string, component?: string): Promise<HistoryRecord[]> => {
      this.asked.push(`find ${eventId} of ${component ?? "any"}`);
      return this.records.filter((one) => one.eventId === eventId);
    },
    ofDeadLetter: async (id: string): Promise<HistoryRecord[]> =>
      this.records.filter(({ deadLetter }) => deadLetter === id),
    list: async (page: HistoryPage): Promise<HistoryList> => {
      this.pages.push(page);
      return { records: this.records.slice(0, page.limit), next: "more" };
    },
    tail: (options: TailOptions): Tail => this.events.tail(options),
  };

  /** What was asked for of lists. */
  readonly pages: HistoryPage[] = [];
  /** Where events end that are watched. */
  readonly events = new History(undefined, keepingLogger());

  waiting: UnfinishedEvent[] = [];

  readonly unfinished = (eventId: string): UnfinishedEvent[] =>
    this.waiting.filter((one) => one.eventId === eventId);

  async pause(name: string, reason: string, by = "an operator"): Promise<void> {
    this.#note(name, `pause ${name} by ${by}: ${reason}`);
  }

  async resume(name: string): Promise<void> {
    this.#note(name, `resume ${name}`);
  }

  async restart(name: string): Promise<void> {
    this.#note(name, `restart ${name}`);
  }

  async drainComponent(name: string, deadline: number): Promise<{ abandoned: number }> {
    this.#note(name, `drain ${name} within ${deadline}`);
    return { abandoned: 2 };
  }

  async examine(name: string, timeout: number): Promise<Examined> {
    this.#note(name, `examine ${name} within ${timeout}`);
    return { component: name, type: "bindings.probe", took: 12, checks: this.checks };
  }

  async drainInputs(deadline: number): Promise<{ abandoned: number }> {
    this.asked.push(`drain all within ${deadline}`);
    return { abandoned: 3 };
  }

  policies(name: string): ShownPolicies | undefined {
    return name === "probe" ? this.policiesOf : undefined;
  }

  readonly reload = async (): Promise<ReloadResult> => {
    const result: ReloadResult = {
      ...{ revision: this.reloads.length + 1, at: 1_790_000_000_000 + this.reloads.length },
      outcome: "partly applied",
      components: [
        { name: "a", change: "created", outcome: "applied", reason: "", origin: "a.yaml:1:1" },
        {
          name: "b",
          change: "updated",
          outcome: "failed",
          reason: "no broker",
          origin: "b.yaml:3:1",
        },
      ],
      problems: ['c.yaml:12:7 error: property "topcs" is not known; did you mean "topics"?'],
    };
    this.reloads.push(result);
    return result;
  };

  #note(name: string, what: string): void {
    if (name !== "probe") throw new BindingError("not_found", `no component is called ${name}`);
    this.asked.push(what);
  }
}
