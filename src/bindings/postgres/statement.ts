import type { Connection, FieldDef, Submittable } from "pg";
import type { MessageField } from "./driver.ts";
import { isServerError } from "./failures.ts";
import type { PreparedStatement } from "./prepared-statements.ts";
import { toJson, type ToJson } from "./values.ts";

/** What a statement brought. */
export type Outcome = {
  /** The rows of the first result, each as JSON. */
  readonly rows: readonly string[];
  /** By the last command that ran. */
  readonly affected: string;
};

export type StatementOptions = {
  readonly text: string;
  /** Absent: sent as plain text, which may be several statements. */
  readonly values?: readonly (string | null)[] | undefined;
  /** Where the server is to keep it. Absent: it has no name, and nothing of it stays at the server. */
  readonly prepared?: PreparedStatement | undefined;
  /** Names of statements that the server may forget. */
  readonly unwanted?: readonly string[];
  /** False: rows are passed over. */
  readonly keepsRows: boolean;
  /** A row has come whole. */
  readonly onRow: () => void;
};

/** One statement for the driver to send. Values are text both ways, and a row is turned into JSON as it comes. */
export class Statement implements Submittable {
  readonly done: Promise<Outcome>;
  readonly #options: StatementOptions;
  readonly #rows: string[] = [];
  #columns: readonly ToJson[] | undefined;
  #results = 0;
  #affected = "0";
  #failure: unknown;
  #resolve: (outcome: Outcome) => void;
  #reject: (reason: unknown) => void;

  constructor(options: StatementOptions) {
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: Connection): void {
    const { text, values, prepared, unwanted = [] } = this.#options;
    if (values === undefined) {
      connection.query(text);
      return;
    }
    const { stream } = connection;
    stream.cork();
    for (const name of unwanted) connection.close({ type: "S", name }, true);
    const name = prepared?.name ?? "";
    this.#columns = prepared?.columns;
    if (this.#columns === undefined) connection.parse({ name, text, types: [] }, true);
    connection.bind({ statement: name, values: values as (string | null)[] }, true);
    if (this.#columns === undefined) connection.describe({ type: "P", name: "" }, true);
    connection.execute(null, true);
    connection.sync();
    stream.uncork();
  }

  handleRowDescription({ fields }: { fields: readonly FieldDef[] }): void {
    this.#results++;
    this.#columns = fields.map(({ dataTypeID }) => toJson(dataTypeID));
  }

  handleDataRow({ fields }: { fields: readonly MessageField[] }): void {
    this.#options.onRow();
    if (!this.#options.keepsRows || this.#results > 1 || this.#failure !== undefined) return;
    const columns = this.#columns ?? [];
    try {
      let row = "";
      for (const [at, text] of fields.entries()) {
        const cell = text === null ? "null" : (columns[at]?.(text) ?? "null");
        row += at === 0 ? cell : `,${cell}`;
      }
      this.#rows.push(`[${row}]`);
    } catch (error) {
      this.#failure = error;
    }
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#affected = /\d+$/.exec(text)?.[0] ?? "0";
  }

  handleReadyForQuery(): void {
    const { prepared } = this.#options;
    if (prepared !== undefined) prepared.columns ??= this.#columns ?? [];
    if (this.#failure !== undefined) this.#reject(this.#failure);
    else this.#resolve({ rows: this.#rows, affected: this.#affected });
  }

  handleError(error: unknown, connection: Connection): void {
    afterError(error, connection, this.#reject);
  }

  handleCopyInResponse(connection: Connection & { sendCopyFail(why: string): void }): void {
    connection.sendCopyFail("COPY FROM STDIN has no data here");
  }

  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyData(): void {}
}

/** Whether a transaction is left open is known once the server is ready again, or gone. */
function afterError(
  error: unknown,
  connection: Connection,
  reject: (reason: unknown) => void,
): void {
  if (!isServerError(error)) {
    reject(error);
    return;
  }
  const end = (): void => {
    connection.off("readyForQuery", end).off("end", end);
    reject(error);
  };
  connection.on("readyForQuery", end).on("end", end);
}

/** Asks for the types of a statement's parameters. Nothing runs. */
export class Description implements Submittable {
  readonly done: Promise<readonly number[]>;
  readonly #text: string;
  #types: readonly number[] = [];
  #resolve: (types: readonly number[]) => void;
  #reject: (reason: unknown) => void;

  constructor(text: string) {
    this.#text = text;
    const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: Connection): void {
    connection.once("parameterDescription", (message: { dataTypeIDs: readonly number[] }) => {
      this.#types = message.dataTypeIDs;
    });
    connection.parse({ name: "", text: this.#text, types: [] }, true);
    connection.describe({ type: "S", name: "" }, true);
    connection.sync();
  }

  handleRowDescription(): void {}

  handleReadyForQuery(): void {
    this.#resolve(this.#types);
  }

  handleError(error: unknown, connection: Connection): void {
    afterError(error, connection, this.#reject);
  }
}
