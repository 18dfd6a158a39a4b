import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** What happened to messages, so that a killed stand-in has them again. */
export type Entry =
  | {
      readonly at: string;
      readonly sequence: number;
      readonly message: string;
      readonly time: number;
    }
  | { readonly at: string; readonly gone: number }
  | { readonly at: string; readonly sequence: number; readonly failed: number };

export class Journal {
  readonly #file: string | undefined;

  constructor(file?: string) {
    this.#file = file;
  }

  note(entry: Entry): void {
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  read(): Entry[] {
    if (this.#file === undefined || !existsSync(this.#file)) return [];
    const lines = readFileSync(this.#file, "utf8").split("\n");
    // A line that was cut off by a kill was never confirmed.
    return lines.flatMap((line) => {
      try {
        return [JSON.parse(line) as Entry];
      } catch {
        return [];
      }
    });
  }
}
