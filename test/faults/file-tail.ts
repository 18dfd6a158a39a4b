import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** A file that another process appends lines to. */
export class FileTail {
  readonly #path: string;
  #offset: number;
  /** The beginning of a line that was not whole at the last look. */
  #rest = "";

  /** `from`: the bytes at its beginning that are left out. */
  constructor(path: string, from = 0) {
    this.#path = path;
    this.#offset = from;
  }

  /** The whole lines since the last look; none while there is no such file. */
  lines(): string[] {
    const lines = (this.#rest + this.#read()).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.filter((line) => line !== "");
  }

  #read(): string {
    let file: number;
    try {
      file = openSync(this.#path, "r");
    } catch {
      return "";
    }
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#offset);
      const count = readSync(file, bytes, 0, bytes.length, this.#offset);
      this.#offset += count;
      return bytes.toString("utf8", 0, count);
    } finally {
      closeSync(file);
    }
  }
}
