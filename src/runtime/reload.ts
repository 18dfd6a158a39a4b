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

/** What is wrong in the resources' files. */
export type ReloadProblem = {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** From 1; 0: the file as a whole. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
};

/** What came of applying components, at the start or later. */
export type ReloadResult = {
  /** Rises by one with each result that changed something. */
  readonly revision: number;
  readonly at: Date;
  /** `refused`: all that is new was; what ran before goes on. */
  readonly outcome: "applied" | "unchanged" | "partly applied" | "refused";
  readonly components: readonly ComponentChange[];
  readonly problems: readonly ReloadProblem[];
};

/** What is known of the resources beside their components. */
export type Findings = {
  readonly problems: readonly ReloadProblem[];
  /** Some file could not be read or parsed, and counts as it was before. */
  readonly refused: boolean;
};

const most = 20;

/** The newest results, oldest first. */
export class ReloadLog {
  #revision = 0;
  #results: readonly ReloadResult[] = [];

  get results(): readonly ReloadResult[] {
    return this.#results;
  }

  add(components: readonly ComponentChange[], { problems, refused }: Findings): ReloadResult {
    const changes = components.filter(({ change }) => change !== "kept");
    const failed = changes.filter(({ outcome }) => outcome === "failed").length + (refused ? 1 : 0);
    const applied = changes.some(({ outcome }) => outcome === "applied");
    if (applied) this.#revision++;
    const result: ReloadResult = {
      ...{ revision: this.#revision, at: new Date(), components, problems },
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
