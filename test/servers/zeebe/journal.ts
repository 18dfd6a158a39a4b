import { appendFileSync, existsSync, readFileSync } from "node:fs";

export type Process = {
  readonly key: bigint;
  readonly bpmnProcessId: string;
  readonly version: number;
  readonly resourceName: string;
  /** Its only task; `undefined`: it has none, and ends at once. */
  readonly task:
    | {
        readonly elementId: string;
        readonly type: string;
        readonly retries: number;
        readonly headers: string;
      }
    | undefined;
};

export type Job = {
  readonly key: bigint;
  readonly instance: bigint;
  readonly process: bigint;
  readonly type: string;
  state: "activatable" | "activated" | "failed" | "error";
  retries: number;
  variables: string;
  worker: string;
  /** Milliseconds since 1970: of the activation, or of the pause before the next. */
  deadline: number;
};

type Entry = { readonly highest: bigint } & (
  | { readonly kind: "process"; readonly process: Process }
  | { readonly kind: "job"; readonly job: Job }
  | { readonly kind: "gone"; readonly key: bigint }
  | { readonly kind: "incident"; readonly key: bigint; readonly job: bigint }
  | { readonly kind: "solved"; readonly key: bigint }
);

/** What happened, a line each, so that a killed engine has it again. */
export class Journal {
  readonly #file: string | undefined;

  constructor(file: string | undefined) {
    this.#file = file;
  }

  note(entry: Entry): void {
    if (this.#file === undefined) return;
    const line = JSON.stringify(entry, (_, value: unknown) =>
      typeof value === "bigint" ? `${value}n` : value,
    );
    appendFileSync(this.#file, `${line}\n`);
  }

  read(): Entry[] {
    if (this.#file === undefined || !existsSync(this.#file)) return [];
    // A line that was cut off by a kill was never confirmed.
    return readFileSync(this.#file, "utf8")
      .split("\n")
      .flatMap((line) => {
        try {
          return [JSON.parse(line, revive) as Entry];
        } catch {
          return [];
        }
      });
  }
}

function revive(name: string, value: unknown): unknown {
  if (name === "variables" || typeof value !== "string") return value;
  return /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;
}
