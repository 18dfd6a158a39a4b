import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import {
  Operations,
  type Policy,
  type ReloadResult as WireReload,
} from "../../gen/cufflink/v1/operations_pb.ts";
import { BindingError } from "../errors.ts";
import type { PolicyPart } from "../policy/describe.ts";
import type { ShownPolicies } from "../runtime/operator.ts";
import type { Examined } from "../runtime/component/examine.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import type { Definition } from "../resources/definition.ts";
import type { Caller } from "./caller.ts";
import { listedFleet, type ListedFleet } from "./fleet.ts";
import { toExamined } from "./examinations.ts";
import { listed, type ListedComponent } from "./listed-component.ts";
import { changeKinds, reloadOutcomes, severities } from "./operator-methods.ts";
import { millisecondsOf, wordOf } from "./records.ts";

/** The operator's calls of a running runtime. Each rejects with a `BindingError`. */
export class OperatorClient {
  readonly #caller: Caller;
  readonly #operations: Client<typeof Operations>;

  constructor(caller: Caller) {
    this.#caller = caller;
    this.#operations = caller.client(Operations);
  }

  /** Stops a component's events. Resolves to how it is then. */
  async pause(name: string, reason: string, by: string): Promise<ListedComponent> {
    const request = { name, reason, by };
    const { component } = await this.#caller.call((options) =>
      this.#operations.pauseComponent(request, options),
    );
    return shown(component);
  }

  /** The replicas of the app, as the one that is asked knows them. */
  async fleet(): Promise<ListedFleet> {
    const answer = await this.#caller.call((options) =>
      this.#operations.describeFleet({}, options),
    );
    return listedFleet(answer);
  }

  /** Lets a paused component's events go on. */
  async resume(name: string): Promise<ListedComponent> {
    const { component } = await this.#caller.call((options) =>
      this.#operations.resumeComponent({ name }, options),
    );
    return shown(component);
  }

  /** Opens a component's connection anew. */
  async restart(name: string): Promise<ListedComponent> {
    const { component } = await this.#caller.call((options) =>
      this.#operations.restartComponent({ name }, options),
    );
    return shown(component);
  }

  /** Pauses a component once the app has finished what it has, or after `deadline` milliseconds. */
  async drain(
    name: string,
    deadline: number,
  ): Promise<{ component: ListedComponent; abandoned: number }> {
    const request = { name, deadline: durationOf(deadline) };
    const { component, abandoned } = await this.#caller.call(
      (options) => this.#operations.drainComponent(request, options),
      deadline + answering,
    );
    return { component: shown(component), abandoned: Number(abandoned) };
  }

  /** Stops all inputs, those of later reloads too, once the app has finished what it has, or after `deadline` milliseconds. */
  async drainInputs(deadline: number): Promise<{ abandoned: number }> {
    const { abandoned } = await this.#caller.call(
      (options) => this.#operations.drainInputs({ deadline: durationOf(deadline) }, options),
      deadline + answering,
    );
    return { abandoned: Number(abandoned) };
  }

  /** What is done about a component's failures. */
  async policies(name: string): Promise<ShownPolicies> {
    const { inbound, outbound } = await this.#caller.call((options) =>
      this.#operations.describePolicies({ name }, options),
    );
    return { inbound: partsOf(inbound), outbound: partsOf(outbound) };
  }

  /** Examines components, all where none is named; each result comes as it is known. `timeout`: of one component, in milliseconds. */
  async *examine(
    names: readonly string[],
    timeout: number,
    signal: AbortSignal,
  ): AsyncGenerator<Examined> {
    const request = { names: [...names], timeout: durationFromMs(timeout) };
    const responses = this.#caller.stream(
      (options) => this.#operations.examineComponents(request, options),
      signal,
    );
    for await (const response of responses) yield toExamined(response);
  }

  /** Has the resources read again. */
  async reload(): Promise<ReloadResult> {
    const { result } = await this.#caller.call((options) => this.#operations.reload({}, options));
    if (result !== undefined) return toReload(result);
    throw new BindingError("internal", "the runtime's answer has no reload");
  }

  /** The last reloads, newest first. */
  async reloads(): Promise<ReloadResult[]> {
    const { reloads } = await this.#caller.call((options) =>
      this.#operations.listReloads({}, options),
    );
    return reloads.map(toReload);
  }

  /** A component as its file says it, without its secrets; all is empty where it came from none. */
  async definition(name: string): Promise<Definition> {
    const { yaml, file, line, findings } = await this.#caller.call((options) =>
      this.#operations.getDefinition({ name }, options),
    );
    return {
      ...{ yaml, file, line },
      findings: findings.map(({ severity, message, line, column }) => ({
        severity: wordOf(severities, severity, "warning"),
        ...{ message, line, column },
      })),
    };
  }
}

/** How long an answer may take beyond what it is about, in milliseconds. */
const answering = 10_000;

function shown(component: Parameters<typeof listed>[0] | undefined): ListedComponent {
  if (component !== undefined) return listed(component);
  throw new BindingError("internal", "the runtime's answer has no component");
}

function partsOf(policy: Policy | undefined): PolicyPart[] | undefined {
  return policy?.parts.map(({ name, value, source }) => ({ name, value, source }));
}

function toReload({ revision, at, outcome, components, problems }: WireReload): ReloadResult {
  return {
    revision: Number(revision),
    at: millisecondsOf(at),
    outcome: wordOf(reloadOutcomes, outcome, "partly applied"),
    components: components.map(({ name, kind, applied, reason, source }) => ({
      name,
      change: wordOf(changeKinds, kind, "updated"),
      outcome: applied ? "applied" : "failed",
      reason,
      origin: source,
    })),
    problems,
  };
}

function durationOf(milliseconds: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(milliseconds / 1000);
  const nanos = Math.round((milliseconds - seconds * 1000) * 1e6);
  return { seconds: BigInt(seconds), nanos };
}
