import { once } from "node:events";
import { createReadStream } from "node:fs";
import type { Command } from "commander";
import { BindingError, messageOf } from "../errors.ts";
import type { DeadLetterRecord } from "../rpc/dead-letter-line.ts";
import type { DeadLettersClient } from "../rpc/dead-letters-client.ts";
import { addClientOptions, createClientFor } from "./client-options.ts";
import { addFilterOptions, readFilter } from "./dead-letter-selection.ts";
import { ExitCode } from "./exit-code.ts";
import { readLines } from "./lines.ts";
import { counted, writeJson } from "./terminal.ts";

/** A line of an import may have so many bytes. */
const longestLine = 256 * 1024 * 1024;
/** So much text goes into one call at least, unless there are so many dead letters in it before. */
const callSize = 1024 * 1024;
const mostInCall = 500;

/** `cufflink dead-letters export`. */
export function addExportCommand(deadLetters: Command): void {
  const command = deadLetters
    .command("export")
    .description("write them whole to standard output, a line of JSON for each, oldest first");
  addFilterOptions(command).addHelpText(
    "after",
    `
A line is a DeadLetterRecord of cufflink.v1 as protobuf has it in JSON: bytes are base64.

Exit code 1: one could not be read, or the runtime went away; what was written is right as far as it goes.

Example:
  cufflink dead-letters export --component orders > orders.ndjson
`,
  );
  addClientOptions(command).action(async () => {
    const filter = readFilter(command);
    const { lineOf } = await import("../rpc/dead-letter-line.ts");
    using client = await createClientFor(command);
    let failed = 0;
    for await (const one of client.deadLetters.export(filter)) {
      if ("error" in one) {
        failed++;
        process.stderr.write(`dead letter ${one.id} cannot be read: ${one.error.message}\n`);
      } else if (!(await writeLine(lineOf(one)))) {
        return;
      }
    }
    if (failed > 0) throw new ExitCode(1);
  });
}

/** Waits for a reader that is slow. False: nobody reads any more. */
async function writeLine(line: string): Promise<boolean> {
  try {
    if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
  return !process.stdout.destroyed;
}

/** `cufflink dead-letters import`. */
export function addImportCommand(deadLetters: Command): void {
  const command = deadLetters
    .command("import")
    .description("store what export has written; those that are there already are left alone")
    .argument("<file>", "the file; - is standard input")
    .option("--json", "for tools: the counts")
    .addHelpText(
      "after",
      `
An import that failed, or was interrupted, can be run again.

Exit code 1: something was not stored.

Examples:
  cufflink dead-letters import orders.ndjson
  cufflink dead-letters export --address old:50001 | cufflink dead-letters import --address new:50001 -
`,
    );
  addClientOptions(command).action(async (file: string) => {
    using client = await createClientFor(command);
    const run = new ImportRun(client.deadLetters);
    const failure = await run.read(file === "-" ? process.stdin : createReadStream(file)).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    );
    const { imported, present, expired } = run;
    if (command.opts<{ json?: true }>().json) {
      writeJson({ imported, present, expired, ...(failure !== undefined && { error: failure }) });
    } else {
      process.stdout.write(`${run.summary}\n`);
    }
    if (failure !== undefined) process.stderr.write(`cufflink: ${failure}\n`);
    if (failure !== undefined || expired > 0) throw new ExitCode(1);
  });
}

/** One import: its lines go to the runtime some at a time, so that a file may be of any size. */
class ImportRun {
  imported = 0;
  present = 0;
  expired = 0;
  readonly #client: DeadLettersClient;
  #records: { readonly record: DeadLetterRecord; readonly line: number }[] = [];
  #size = 0;
  #line = 0;

  constructor(client: DeadLettersClient) {
    this.#client = client;
  }

  /** Rejects at the first line that is none of an export, or cannot be stored; those before it are stored. */
  async read(stream: AsyncIterable<Uint8Array>): Promise<void> {
    const { parseLine } = await import("../rpc/dead-letter-line.ts");
    for await (const { text, isPart } of readLines(stream, longestLine)) {
      this.#line++;
      if (text.trim() === "") continue;
      const record = isPart ? `it is longer than ${longestLine} bytes` : parseLine(text);
      if (typeof record === "string") {
        await this.#send();
        throw new Error(`line ${this.#line} is no dead letter of an export: ${record}`);
      }
      if (this.#size > 0 && this.#size + text.length > callSize) await this.#send();
      this.#records.push({ record, line: this.#line });
      this.#size += text.length;
      if (this.#records.length >= mostInCall) await this.#send();
    }
    await this.#send();
  }

  /** What became of them, for people. */
  get summary(): string {
    return [
      `${counted(this.imported, "dead letter")} imported`,
      ...(this.present > 0 ? [`${this.present} there already`] : []),
      ...(this.expired > 0
        ? [`${this.expired} older than --dead-letters-max-age of the runtime and left out`]
        : []),
    ].join(", ");
  }

  async #send(): Promise<void> {
    const records = this.#records;
    this.#records = [];
    this.#size = 0;
    if (records.length === 0) return;
    try {
      await this.#store(records.map(({ record }) => record));
    } catch (error) {
      const isTooMuch = error instanceof BindingError && error.reason === "resource_exhausted";
      const [{ line } = { line: 0 }] = records;
      if (!isTooMuch) throw failure(`the lines from ${line} on`, error);
      // One of them may be larger than the runtime takes, or there is room for some.
      for (const { record, line } of records) {
        await this.#store([record]).catch((reason: unknown) => {
          throw failure(`line ${line}`, reason);
        });
      }
    }
  }

  async #store(records: readonly DeadLetterRecord[]): Promise<void> {
    const { imported, present, expired } = await this.#client.import(records);
    this.imported += imported;
    this.present += present;
    this.expired += expired;
  }
}

function failure(what: string, error: unknown): Error {
  return new Error(`${what} could not be imported: ${messageOf(error)}`, { cause: error });
}
