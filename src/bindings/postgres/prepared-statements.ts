import { randomUUID } from "node:crypto";
import type { ToJson } from "./values.ts";

/** A statement that the server keeps for one connection, under a name. */
export type PreparedStatement = {
  readonly name: string;
  /** How the columns of its rows are written; absent: not known before it has run once. */
  columns: readonly ToJson[] | undefined;
};

/** So many characters of a longer text are not worth keeping: values are written in it. */
const longestText = 4096;
/** What the server plans. Others are not the same each time they run, and gain nothing. */
const planned = /^\s*(?:select|insert|update|delete|merge|with|values)\b/i;

/** The statements that the server keeps for one connection: those that were used last. */
export class PreparedStatements {
  readonly #byText = new Map<string, PreparedStatement>();
  readonly #unwanted: string[] = [];
  // No other connection's names, since a pooler may put several on one.
  readonly #prefix = `cufflink_${randomUUID()}_`;
  #capacity: number;
  #made = 0;

  /** `capacity` 0: none is kept. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The statement of this text, which is now the one used last; without `columns` it has to be parsed. */
  use(text: string): PreparedStatement | undefined {
    const known = this.#byText.get(text);
    if (known !== undefined) {
      this.#byText.delete(text);
      this.#byText.set(text, known);
      return known;
    }
    if (this.#capacity === 0 || text.length > longestText || !planned.test(text)) return undefined;
    const made = { name: `${this.#prefix}${++this.#made}`, columns: undefined };
    this.#byText.set(text, made);
    if (this.#byText.size > this.#capacity) this.forget(this.#byText.keys().next().value ?? "");
    return made;
  }

  /** It failed, so that it is parsed anew when it is used again. */
  forget(text: string): void {
    const known = this.#byText.get(text);
    if (known === undefined) return;
    this.#byText.delete(text);
    this.#unwanted.push(known.name);
  }

  /** The server does not keep what it was told to: nothing is prepared on this connection any more. */
  giveUp(): void {
    this.#capacity = 0;
    for (const text of [...this.#byText.keys()]) this.forget(text);
  }

  /** Names that the server may forget, each told once. */
  takeUnwanted(): readonly string[] {
    return this.#unwanted.length === 0 ? this.#unwanted : this.#unwanted.splice(0);
  }
}
