import type { ClientBase } from "pg";
import { inside } from "./driver.ts";
import { isServerError } from "./failures.ts";
import { PreparedStatements } from "./prepared-statements.ts";
import { Statement, type Outcome, type StatementOptions } from "./statement.ts";

/** The server has no statement of the name. */
const noSuchStatement = "26000";

/** One connection of the pool, with what the server keeps for it. */
export class Session {
  /** Told how many bytes of an answer have come. */
  onData: ((bytes: number) => void) | undefined;
  readonly #client: ClientBase;
  readonly #statements: PreparedStatements;
  /** The server has taken the parameters, so that what runs may have begun. */
  #isBound = false;

  constructor(client: ClientBase, keptStatements: number) {
    this.#client = client;
    this.#statements = new PreparedStatements(keptStatements);
    const { connection } = inside(client);
    // The driver has looked at the chunk before.
    connection.stream.on("data", (chunk: Buffer) => this.onData?.(chunk.length));
    connection.on("bindComplete", () => {
      this.#isBound = true;
    });
  }

  /**
   * Runs a statement that may be kept. What the server kept may be outdated (a table has changed) or lost (a pooler, or
   * DISCARD): it refuses that before anything runs, and the statement is parsed anew.
   */
  async run(options: StatementOptions): Promise<Outcome> {
    const { text } = options;
    const statements = this.#statements;
    const prepared = statements.use(text);
    const unwanted = statements.takeUnwanted();
    const isKept = prepared?.columns !== undefined;
    this.#isBound = false;
    try {
      return await this.#client.query(new Statement({ ...options, prepared, unwanted })).done;
    } catch (error) {
      if (!isServerError(error)) throw error;
      statements.forget(text);
      if (!isKept || this.#isBound) throw error;
      if (error.code === noSuchStatement) statements.giveUp();
    }
    return this.#client.query(new Statement(options)).done;
  }
}
