import { clock } from "../../clock.ts";
/** What became of one component when the components were applied. */
export type ComponentChange = {
  readonly name: string;
  readonly change: "created" | "updated" | "deleted" | "kept";
  /** `failed`: an updated one goes on as it was before; a created one cannot run as it is written. */
  readonly outcome: "applied" | "failed";
  /** Why it failed, or is not connected yet; empty: all is well. */
  readonly reason: string;
  /** `file:line:column` of the definition that this is about; empty where it was made in code. */
  readonly origin: string;
};

/** What came of applying components, at the start or later. */
export type ReloadResult = {
  /** Rises by one with each result that changed something. */
  readonly revision: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `refused`: all that is new was; what ran before goes on. */
  readonly outcome: "applied" | "unchanged" | "partly applied" | "refused";
  readonly components: readonly ComponentChange[];
  /** What is wrong with the resources, a line each. */
  readonly problems: readonly string[];
};

/** What is known of the resources beside their components. */
export type Findings = {
  readonly problems: readonly string[];
  /** Some file could not be read or parsed, or says what cannot be, and counts as it was before. */
  readonly refused: boolean;
  /** Something other than a component has changed, and is in force. */
  readonly changed?: boolean;
  /** Why the resources could not be read at all until now: who invokes is told so. */
  readonly unread?: string | undefined;
};

const most = 20;

/** The newest results, oldest first. */
export class ReloadLog {
  #revision = 0;
  #results: readonly ReloadResult[] = [];

  get results(): readonly ReloadResult[] {
    return this.#results;
  }

  add(
    components: readonly ComponentChange[],
    { problems, refused, changed = false }: Findings,
  ): ReloadResult {
    const changes = components.filter(({ change }) => change !== "kept");
    const failed = changes.filter(({ outcome }) => outcome === "failed").length + (refused ? 1 : 0);
    const applied = changed || changes.some(({ outcome }) => outcome === "applied");
    if (applied) this.#revision++;
    const result: ReloadResult = {
      ...{ revision: this.#revision, at: clock.now(), components, problems },
      outcome: outcomeOf(applied, failed > 0),
    };
    this.#results = [...this.#results, result].slice(-most);
    return result;
  }
}

function outcomeOf(applied: boolean, failed: boolean): ReloadResult["outcome"] {
  if (applied) return failed ? "partly applied" : "applied";
  return failed ? "refused" : "unchanged";
}
